"""A split whose images are files, and reading them in worker processes."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vgglab.config.data import Decoder
from vgglab.data.decode import decode_pixels, decode_tensor
from vgglab.data.errors import DataError
from vgglab.data.greys import GreyRange
from vgglab.data.resize import Pixels
from vgglab.data.splits import Labels

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import DataLoader

Item = TypeVar("Item")
Names = NDArray[np.bytes_]
"""File names in one block of memory, which the processes that read them share."""


@dataclass(frozen=True)
class FileSet:
    """A split: its files, their labels, and their places in the listing of all."""

    root: Path
    names_n: Names
    """Relative to ``root``, as the file system spells them."""
    labels_n: Labels
    originals_n: NDArray[np.int64]
    """Index of the file in the whole data set; none is in two splits."""
    decoder: Decoder = "auto"
    grey_range: GreyRange | None = None
    skipped_m: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Places in the split of files that hold no image and stay in it: of the test split, where
    each counts as an error."""

    def __len__(self) -> int:
        return len(self.labels_n)

    def without(self, places: Container[int]) -> FileSet:
        """The split without the files at these places of the whole data set."""
        kept_n = np.array([place not in places for place in self.originals_n.tolist()], dtype=bool)
        return replace(
            self,
            names_n=self.names_n[kept_n],
            labels_n=self.labels_n[kept_n],
            originals_n=self.originals_n[kept_n],
        )

    def with_skipped(self, places: Container[int]) -> FileSet:
        """The same split, in which the files at these places of the whole data set are known to
        hold no image.

        Raises:
            DataError: none is left.
        """
        skipped = [i for i, place in enumerate(self.originals_n.tolist()) if place in places]
        if len(skipped) == len(self):
            raise DataError(f"{self.root}: no test image can be read")
        return replace(self, skipped_m=np.array(skipped, dtype=np.int64))

    def path(self, index: int) -> Path:
        """Path of an image."""
        return self.root / os.fsdecode(self.names_n[index])

    def image_chw(self, index: int) -> Tensor:
        """One whole image (3, H, W), uint8, at its own size.

        Raises:
            UnreadableImage: names the file and the reason.
        """
        return decode_tensor(self.path(index), self.decoder, self.grey_range)

    def pixels_hwc(self, index: int) -> Pixels:
        """One whole image (H, W, 3), at its own size.

        Raises:
            UnreadableImage: names the file and the reason.
        """
        return decode_pixels(self.path(index), self.decoder, self.grey_range)


class _WholeImages:
    """Whole images by index, as a loader's workers read them."""

    def __init__(self, files: FileSet) -> None:
        self._files = files

    def __getitem__(self, index: int) -> Tensor | DataError:
        try:
            return self._files.image_chw(index)
        except DataError as error:
            return error  # raised in a worker, it would arrive wrapped in the worker's traceback


def identity(item: Item) -> Item:
    """Return the item as it is: torch's own conversion would make tensors of the sample indices."""
    return item


def worker_loader(
    dataset: Any, requests: Any, workers: int, *, pin_memory: bool = False
) -> DataLoader[Any]:
    """A loader whose worker processes read ahead, and live on from one pass to the next.

    Args:
        dataset: Makes an item of a request by ``[]``; it may return a DataError instead.
        requests: Indices, or groups of them, in this order.
        workers: Processes; 0 reads in this one.
        pin_memory: Whether tensors are put into page-locked memory, for a GPU.
    """
    import torch  # not above: most commands read no image and must not wait for it
    from torch.utils.data import DataLoader

    return DataLoader(
        dataset,
        sampler=requests,
        batch_size=None,  # a request is a whole batch already
        num_workers=workers,
        collate_fn=identity,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        generator=torch.Generator(),  # a loader draws from it: not from the run's own
    )


def read(loader: DataLoader[Any]) -> Iterator[Any]:
    """The items of a pass.

    Raises:
        DataError: the data set returned it.
    """
    for item in loader:
        if isinstance(item, DataError):
            raise item
        yield item


def whole_images(
    files: FileSet, indices_m: NDArray[np.int64], workers: int, *, pin_memory: bool = False
) -> Iterator[Tensor]:
    """Whole images of a split, (3, H, W), each at its own size.

    Args:
        files: The split.
        indices_m: Which of its images, in this order.
        workers: Processes that read ahead; 0 reads in this one.
        pin_memory: Whether they are put into page-locked memory, for a GPU.

    Raises:
        UnreadableImage: one of them cannot be decoded.
    """
    return read(
        worker_loader(_WholeImages(files), indices_m.tolist(), workers, pin_memory=pin_memory)
    )
