"""Batches of an in-memory split, in an order that a seed, an epoch and a position decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.data.keyed_random import keyed_order
from vgglab.data.splits import ImageSet

Position = tuple[int, int]
"""Epoch, and steps of it that are already done."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which images of each step are this process's, and in how many micro-batches it takes them."""

    rank: int = 0
    world: int = 1
    accumulate: int = 1

    def slices(self, count: int) -> Iterator[slice]:
        """The part of ``count`` images in each micro-batch: all parts of all ranks cover them once,
        none is longer by more than one; where there are fewer images than parts, some are empty."""
        parts = self.world * self.accumulate
        for micro in range(self.accumulate):
            part = micro * self.world + self.rank
            yield slice(part * count // parts, (part + 1) * count // parts)


WHOLE = Share()


class Batch(NamedTuple):
    """Samples of a step: all of them, or one process's part in one micro-batch."""

    images_nchw: Tensor
    """uint8 from the loader; float, augmented and normalised, once it is on the device."""
    labels_n: Tensor
    samples_n: NDArray[np.int64]
    """Index of each sample in its split; on the host, where the random draws are made."""
    epoch: int
    step_images: int
    """Images of the whole step, over all processes and micro-batches."""


def at_start() -> Position:
    """The position of a split that is always read from its first image."""
    return 0, 0


class BatchLoader:
    """Yields this process's share of a split, every image once; the last batch may be smaller.

    In training a step's images are divided by position, whatever their number, so that the steps
    are the same at any world size. In evaluation process r of w reads the images r, r + w,
    r + 2w and so on.

    It holds no state: the position comes from whoever counts (the trainer), asked anew for each
    epoch. So a resumed epoch goes on at the step after the last one done, in the same order.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        position: Callable[[], Position] = at_start,
        share: Share = WHOLE,
    ) -> None:
        self._images_nchw = torch.from_numpy(images.images_nchw)
        self._labels_n = torch.from_numpy(images.labels_n)
        self.batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._position = position
        self._share = share

    @property
    def _is_training(self) -> bool:
        return self._shuffle_seed is not None

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return math.ceil(len(self._labels_n) / self.batch_size)

    def __len__(self) -> int:
        """Batches of an epoch for this process; in training a step's micro-batches count each."""
        if self._is_training:
            return self.steps * self._share.accumulate
        return math.ceil(len(self._evaluated()) / self.batch_size)

    def _evaluated(self) -> range:
        return range(self._share.rank, len(self._labels_n), self._share.world)

    def __iter__(self) -> Iterator[Batch]:
        epoch, done = self._position()
        if self._shuffle_seed is None:
            order = np.array(self._evaluated(), dtype=np.int64)
            share = WHOLE
        else:
            order = keyed_order(self._shuffle_seed, epoch, len(self._labels_n))
            share = self._share
        for start in range(done * self.batch_size, len(order), self.batch_size):
            step_n = order[start : start + self.batch_size]
            for part in share.slices(len(step_n)):
                samples_n = step_n[part]
                chosen = torch.from_numpy(samples_n)
                images_nchw, labels_n = self._images_nchw[chosen], self._labels_n[chosen]
                yield Batch(images_nchw, labels_n, samples_n, epoch, len(step_n))

    # Lightning takes a loader with these two for one that can go on in the middle of an epoch.
    def state_dict(self) -> dict[str, Any]:
        """Nothing: see the class."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing: see the class."""
