"""Which images belong to which step, in an order that a seed, an epoch and a position decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgglab.data.keyed_random import keyed_order

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


class Part(NamedTuple):
    """A step's images, or one process's part of them in one micro-batch."""

    samples_n: NDArray[np.int64]
    """Index of each sample in its split."""
    epoch: int
    step_images: int
    """Images of the whole step, over all processes and micro-batches."""


def at_start() -> Position:
    """The position of a split that is always read from its first image."""
    return 0, 0


class Steps:
    """This process's share of a split, every image once; the last step may be smaller.

    In training a step's images are divided by position, whatever their number, so that the steps
    are the same at any world size. In evaluation process r of w reads the images r, r + w,
    r + 2w and so on.

    It holds no state: the position comes from whoever counts (the trainer), asked anew for each
    epoch. So a resumed epoch goes on at the step after the last one done, in the same order.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        position: Callable[[], Position] = at_start,
        share: Share = WHOLE,
    ) -> None:
        self._images = images
        self.batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._position = position
        self._share = share

    @property
    def is_training(self) -> bool:
        """In a random order, and every process at the same step."""
        return self._shuffle_seed is not None

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return math.ceil(self._images / self.batch_size)

    def __len__(self) -> int:
        """Batches of an epoch for this process; in training a step's micro-batches count each."""
        if self.is_training:
            return self.steps * self._share.accumulate
        return math.ceil(len(self._evaluated()) / self.batch_size)

    def _evaluated(self) -> range:
        return range(self._share.rank, self._images, self._share.world)

    def __iter__(self) -> Iterator[Part]:
        epoch, done = self._position()
        if self._shuffle_seed is None:
            order = np.array(self._evaluated(), dtype=np.int64)
            share = WHOLE
        else:
            order = keyed_order(self._shuffle_seed, epoch, self._images)
            share = self._share
        for start in range(done * self.batch_size, len(order), self.batch_size):
            step_n = order[start : start + self.batch_size]
            for part in share.slices(len(step_n)):
                yield Part(step_n[part], epoch, len(step_n))
