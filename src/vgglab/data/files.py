"""A split whose images are files, decoded when they are wanted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vgglab.data.decode import decoded
from vgglab.data.splits import Labels

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

    def __len__(self) -> int:
        return len(self.labels_n)

    def path(self, index: int) -> Path:
        """Where an image is."""
        return self.root / os.fsdecode(self.names_n[index])

    def image_chw(self, index: int) -> Tensor:
        """One whole image (3, H, W), uint8, at its own size.

        Raises:
            UnreadableImage: names the file and the reason.
        """
        return decoded(self.path(index))
