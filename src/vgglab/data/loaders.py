"""Batches of a split: of one in memory here, of files in ``file_batches``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.data.order import Steps
from vgglab.data.splits import ImageSet


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


class Loader:
    """What the trainer reads a split from; in which order, and from where on, ``Steps`` says."""

    def __init__(self, order: Steps) -> None:
        self._order = order

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self._order.steps

    def __len__(self) -> int:
        """Batches of an epoch for this process; in training a step's micro-batches count each."""
        return len(self._order)

    def __iter__(self) -> Iterator[Batch]:
        raise NotImplementedError

    # Lightning takes a loader with these two for one that can go on in the middle of an epoch.
    def state_dict(self) -> dict[str, Any]:
        """Nothing: see ``Steps``."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing: see ``Steps``."""


class BatchLoader(Loader):
    """Batches of a split that is in memory."""

    def __init__(self, images: ImageSet, order: Steps) -> None:
        super().__init__(order)
        # channels_last, which is what is computed in: then an image is one piece of memory.
        self._images_nhwc = torch.from_numpy(images.images_nchw).permute(0, 2, 3, 1).contiguous()
        self._labels_n = torch.from_numpy(images.labels_n)

    def __iter__(self) -> Iterator[Batch]:
        for samples_n, epoch, step_images in self._order:
            chosen = torch.from_numpy(samples_n)
            images_nchw = self._images_nhwc.index_select(0, chosen).permute(0, 3, 1, 2)
            yield Batch(images_nchw, self._labels_n[chosen], samples_n, epoch, step_images)
