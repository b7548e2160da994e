"""A split whose images are files, decoded when they are wanted."""

from __future__ import annotations

import os
from collections.abc import Container
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vgglab.config.data import Decoder
from vgglab.data.splits import Labels

if TYPE_CHECKING:
    from torch import Tensor

    from vgglab.data.resize import Pixels

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

    def marked(self, places: Container[int]) -> FileSet:
        """The same split, in which the files at these places of the whole data set are known to
        hold no image."""
        skipped = [i for i, place in enumerate(self.originals_n.tolist()) if place in places]
        return replace(self, skipped_m=np.array(skipped, dtype=np.int64))

    def path(self, index: int) -> Path:
        """Where an image is."""
        return self.root / os.fsdecode(self.names_n[index])

    def image_chw(self, index: int) -> Tensor:
        """One whole image (3, H, W), uint8, at its own size.

        Raises:
            UnreadableImage: names the file and the reason.
        """
        from vgglab.data.decode import decoded  # torch, which most commands do without

        return decoded(self.path(index), self.decoder)

    def pixels_hwc(self, index: int) -> Pixels:
        """One whole image (H, W, 3), at its own size.

        Raises:
            UnreadableImage: names the file and the reason.
        """
        from vgglab.data.decode import pixels_of

        return pixels_of(self.path(index), self.decoder)
