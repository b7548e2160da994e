"""Batches of a split: of images in memory, or of files that worker processes decode and crop."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vgglab.data.device import CPU, Rows
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet, read, worker_loader
from vgglab.data.order import BatchIndices, BatchOrder
from vgglab.data.resize import Pixels, Window, middle, rescaled_size, resized_crop
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
    draws: Mapping[str, Tensor] = {}
    """Random draws of the samples by name, on the device; none yet in a batch from the loader."""


class Loader:
    """Batches of a split in the order of a ``BatchOrder``, which also says where to begin."""

    def __init__(self, order: BatchOrder) -> None:
        self._order = order

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self._order.steps

    def __len__(self) -> int:
        """Batches of an epoch for this process; in training a step's micro-batches count each."""
        return len(self._order)

    def __iter__(self) -> Iterator[Batch]:
        raise NotImplementedError

    def close(self) -> None:
        """Free what is kept from one pass to the next."""

    # Lightning resumes in the middle of an epoch only with a loader that has these two methods.
    def state_dict(self) -> dict[str, Any]:
        """Empty: ``BatchOrder`` asks the trainer where it is."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Does nothing: ``BatchOrder`` asks the trainer where it is."""


class BatchLoader(Loader):
    """Batches of a split that is in memory; their images are on the device already.

    Args:
        images: The split.
        order: Says which samples are in each batch.
        device: Where the split's images are kept and the batches are made.
    """

    def __init__(self, images: ImageSet, order: BatchOrder, device: torch.device = CPU) -> None:
        super().__init__(order)
        # channels_last, as the net computes: then an image is one piece of memory.
        images_nhwc = torch.from_numpy(images.images_nchw).permute(0, 2, 3, 1).contiguous()
        self._images_nhwc = Rows(images_nhwc, device)
        self._labels_n = torch.from_numpy(images.labels_n)

    def close(self) -> None:
        """Free the images on the device; another pass would move them there again."""
        self._images_nhwc.leave()

    def __iter__(self) -> Iterator[Batch]:
        for samples_n, epoch, step_images in self._order:
            images_nchw = self._images_nhwc.at(samples_n).permute(0, 3, 1, 2)
            labels_n = self._labels_n[torch.from_numpy(samples_n)]
            yield Batch(images_nchw, labels_n, samples_n, epoch, step_images)


class Crops(Protocol):
    """Cuts what the net is shown out of whole images of any size."""

    def for_each(
        self, epoch: int, samples_n: NDArray[np.int64]
    ) -> Iterator[Callable[[Pixels], Pixels]]:
        """Per sample, a function from the whole image (H, W, 3) to the crop (size, size, 3)."""


@dataclass(frozen=True)
class CenterCrops:
    """The centre crop at test scale Q."""

    test_scale: int
    """Shorter side Q of the whole image, px."""
    size: int

    def for_each(
        self, epoch: int, samples_n: NDArray[np.int64]
    ) -> Iterator[Callable[[Pixels], Pixels]]:
        return itertools.repeat(self._center, len(samples_n))

    def _center(self, pixels_hwc: Pixels) -> Pixels:
        grown = rescaled_size(pixels_hwc.shape[0], pixels_hwc.shape[1], self.test_scale)
        top, left = (middle(side, self.size) for side in grown)
        return resized_crop(Window(self.test_scale, top, left, self.size), pixels_hwc)


class _Batches(Dataset["Batch | DataError"]):
    """Batches by the indices of their samples, as a loader's workers make them."""

    def __init__(self, files: FileSet, crops: Crops, size: int) -> None:
        self._files, self._crops, self._size = files, crops, size

    def __getitem__(self, part: BatchIndices) -> Batch | DataError:
        images_nhwc = np.empty((len(part.samples_n), self._size, self._size, 3), dtype=np.uint8)
        try:
            for place, crop in enumerate(self._crops.for_each(part.epoch, part.samples_n)):
                images_nhwc[place] = crop(self._files.pixels_hwc(int(part.samples_n[place])))
        except DataError as error:
            return error  # raised in a worker, it would arrive wrapped in the worker's traceback
        labels_n = torch.from_numpy(self._files.labels_n[part.samples_n])
        return Batch(torch.from_numpy(images_nhwc).permute(0, 3, 1, 2), labels_n, *part)


class FileLoader(Loader):
    """Batches of a split of files. A worker makes a whole batch; which worker does not matter,
    since random draws are keyed by epoch and sample. Workers live until ``close``.

    Args:
        files: The split.
        order: Says which samples are in each batch.
        crops: Makes a crop (size, size, 3) of a whole image.
        size: Side of the crop, px.
        workers: Processes that read ahead; 0 reads in this one.
        pin_memory: Whether batches are put into page-locked memory, for a GPU.

    Raises:
        UnreadableImage: while iterating, a file cannot be decoded.
    """

    def __init__(
        self,
        files: FileSet,
        order: BatchOrder,
        *,
        crops: Crops,
        size: int,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(order)
        self._batches = _Batches(files, crops, size)
        self._workers, self._pin_memory = workers, pin_memory
        self._loader: DataLoader[Any] | None = None

    def __iter__(self) -> Iterator[Batch]:
        if self._loader is None:
            self._loader = worker_loader(
                self._batches, self._order, self._workers, pin_memory=self._pin_memory
            )
        return read(self._loader)

    def close(self) -> None:
        """End the worker processes; another pass would start new ones."""
        self._loader = None
