"""Batches of image files, decoded and cropped one by one in worker processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.loaders import Batch, Loader
from vgglab.data.order import Part, Steps
from vgglab.data.resize import Pixels, Window, middle, rescaled_size, seen_through

Item = TypeVar("Item")


class Views(Protocol):
    """What the net is shown of whole images of any size."""

    def each(
        self, epoch: int, samples_n: NDArray[np.int64]
    ) -> Iterator[Callable[[Pixels], Pixels]]:
        """For each sample, what makes its view (size, size, 3) of its whole image (H, W, 3)."""


@dataclass(frozen=True)
class CenterViews:
    """The centre crop at test scale Q."""

    test_scale: int
    """Shorter side Q of the whole image, px."""
    size: int

    def each(
        self, epoch: int, samples_n: NDArray[np.int64]
    ) -> Iterator[Callable[[Pixels], Pixels]]:
        return itertools.repeat(self._center, len(samples_n))

    def _center(self, pixels_hwc: Pixels) -> Pixels:
        grown = rescaled_size(pixels_hwc.shape[0], pixels_hwc.shape[1], self.test_scale)
        top, left = (middle(side, self.size) for side in grown)
        return seen_through(Window(self.test_scale, top, left, self.size), pixels_hwc)


class _Batches(Dataset["Batch | DataError"]):
    """Batches by what of the split they consist of."""

    def __init__(self, files: FileSet, views: Views, size: int) -> None:
        self._files, self._views, self._size = files, views, size

    def __getitem__(self, part: Part) -> Batch | DataError:
        images_nhwc = np.empty((len(part.samples_n), self._size, self._size, 3), dtype=np.uint8)
        try:
            for place, view in enumerate(self._views.each(part.epoch, part.samples_n)):
                images_nhwc[place] = view(self._files.pixels_hwc(int(part.samples_n[place])))
        except DataError as error:
            return error  # raised in a worker, it would arrive wrapped in the worker's traceback
        labels_n = torch.from_numpy(self._files.labels_n[part.samples_n])
        return Batch(torch.from_numpy(images_nhwc).permute(0, 3, 1, 2), labels_n, *part)


class _Whole(Dataset["Tensor | DataError"]):
    """Whole images by index."""

    def __init__(self, files: FileSet) -> None:
        self._files = files

    def __getitem__(self, index: int) -> Tensor | DataError:
        try:
            return self._files.image_chw(index)
        except DataError as error:
            return error


def as_it_is(item: Item) -> Item:
    """Instead of torch's conversion, which would make tensors of the sample indices."""
    return item


def read_by_workers(
    dataset: Dataset[Any], requests: Any, workers: int, *, pin_memory: bool = False
) -> Iterator[Any]:
    """What the data set makes of each request, in the order of the requests.

    Raises:
        DataError: the data set returned it.
    """
    loader: DataLoader[Any] = DataLoader(
        dataset,
        sampler=requests,
        batch_size=None,  # a request is a whole batch already
        num_workers=workers,
        collate_fn=as_it_is,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # a loader draws from it: not from the run's own
    )
    for item in loader:
        if isinstance(item, DataError):
            raise item
        yield item


def whole_images(files: FileSet, indices_m: NDArray[np.int64], workers: int) -> Iterator[Tensor]:
    """These images of a split, (3, H, W), each at its own size.

    Raises:
        UnreadableImage: one of them cannot be decoded.
    """
    return read_by_workers(_Whole(files), indices_m.tolist(), workers)


class FileLoader(Loader):
    """Batches of a split of files. A worker makes a whole batch, whatever its number: what it draws
    is keyed by epoch and sample.

    Raises:
        UnreadableImage: a file cannot be decoded.
    """

    def __init__(
        self,
        files: FileSet,
        order: Steps,
        *,
        views: Views,
        size: int,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(order)
        self._batches = _Batches(files, views, size)
        self._workers, self._pin_memory = workers, pin_memory

    def __iter__(self) -> Iterator[Batch]:
        return read_by_workers(
            self._batches, self._order, self._workers, pin_memory=self._pin_memory
        )
