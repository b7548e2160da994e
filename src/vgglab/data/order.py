"""Order of the images of an epoch, and their division into batches over processes."""

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
class Shard:
    """This process's part of each step, and the number of micro-batches that it is taken in."""

    rank: int = 0
    world: int = 1
    accumulate: int = 1

    def slices(self, count: int) -> Iterator[slice]:
        """This process's part of ``count`` images in each micro-batch.

        The parts of all ranks cover the images once and differ in length by one at most; where
        there are fewer images than parts, some are empty.
        """
        parts = self.world * self.accumulate
        for micro in range(self.accumulate):
            part = micro * self.world + self.rank
            yield slice(part * count // parts, (part + 1) * count // parts)


WHOLE = Shard()


def largest_part(images: int, parts: int) -> int:
    """Images of the largest of so many parts, over processes and micro-batches; see ``slices``."""
    return math.ceil(images / parts)


class BatchIndices(NamedTuple):
    """A step's images, or one process's part of them in one micro-batch."""

    samples_n: NDArray[np.int64]
    """Index of each sample in its split."""
    epoch: int
    step_images: int
    """Images of the whole step, over all processes and micro-batches."""


def at_start() -> Position:
    """The position of a split that is always read from its first image."""
    return 0, 0


class BatchOrder:
    """This process's part of a split in batches, every image once; the last step may be smaller.

    In training a step's images are divided by position, whatever their number, so that the steps
    are the same at any world size. In evaluation process r of w reads the images r, r + w,
    r + 2w and so on.

    It holds no state: it asks for the position at the beginning of each epoch. So a resumed epoch
    goes on at the step after the last one done, in the same order.

    Args:
        images: Number of images of the split.
        batch_size: Images of a step, over all processes and micro-batches.
        shuffle_seed: Of the random order in training; None in evaluation.
        position: Returns epoch and steps done; the trainer counts them.
        shard: This process's part of each step.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        position: Callable[[], Position] = at_start,
        shard: Shard = WHOLE,
    ) -> None:
        self._images = images
        self.batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._position = position
        self._shard = shard

    @property
    def is_training(self) -> bool:
        """Whether the order is random and every process takes part in each step."""
        return self._shuffle_seed is not None

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self._images / self.batch_size)

    def __len__(self) -> int:
        """Batches of an epoch for this process; in training a step's micro-batches count each."""
        if self.is_training:
            return self.steps * self._shard.accumulate
        return math.ceil(len(self._evaluated()) / self.batch_size)

    def _evaluated(self) -> range:
        return range(self._shard.rank, self._images, self._shard.world)

    def __iter__(self) -> Iterator[BatchIndices]:
        epoch, done = self._position()
        if self._shuffle_seed is None:
            order = np.array(self._evaluated(), dtype=np.int64)
            shard = WHOLE
        else:
            order = keyed_order(self._shuffle_seed, epoch, self._images)
            shard = self._shard
        for start in range(done * self.batch_size, len(order), self.batch_size):
            step_n = order[start : start + self.batch_size]
            for part in shard.slices(len(step_n)):
                yield BatchIndices(step_n[part], epoch, len(step_n))
