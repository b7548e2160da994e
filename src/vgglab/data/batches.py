"""Batches of an in-memory split, in an order that a seed, an epoch and a position decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.data.keyed_random import keyed_order
from vgglab.data.splits import ImageSet

Position = tuple[int, int]
"""Epoch, and batches of it that are already done."""


class Batch(NamedTuple):
    """One step's samples."""

    images_nchw: Tensor
    """uint8 from the loader; float, augmented and normalised, once it is on the device."""
    labels_n: Tensor
    samples_n: NDArray[np.int64]
    """Index of each sample in its split; on the host, where the random draws are made."""
    epoch: int


def at_start() -> Position:
    """The position of a split that is always read from its first image."""
    return 0, 0


class BatchLoader:
    """Yields every image of a split once; the last batch may be smaller.

    It holds no state: the position comes from whoever counts (the trainer), asked anew for each
    epoch. So a resumed epoch goes on at the batch after the last one done, in the same order.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        position: Callable[[], Position] = at_start,
    ) -> None:
        self._images_nchw = torch.from_numpy(images.images_nchw)
        self._labels_n = torch.from_numpy(images.labels_n)
        self.batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._position = position

    def __len__(self) -> int:
        return math.ceil(len(self._labels_n) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        epoch, done = self._position()
        size = len(self._labels_n)
        if self._shuffle_seed is None:
            order = np.arange(size, dtype=np.int64)
        else:
            order = keyed_order(self._shuffle_seed, epoch, size)
        for start in range(done * self.batch_size, size, self.batch_size):
            samples_n = order[start : start + self.batch_size]
            chosen = torch.from_numpy(samples_n)
            yield Batch(self._images_nchw[chosen], self._labels_n[chosen], samples_n, epoch)

    # Lightning takes a loader with these two for one that can go on in the middle of an epoch.
    def state_dict(self) -> dict[str, Any]:
        """Nothing: see the class."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing: see the class."""
