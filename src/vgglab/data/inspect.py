"""A look into every file of an image folder, by as many processes as there are cores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vgglab.data.decode import UnreachableFile, UnreadableImage, opened
from vgglab.data.file_loaders import read_by_workers
from vgglab.data.files import FileSet
from vgglab.data.smaller_copy import Copy

CHUNK = 32
"""Files that a worker is handed at a time."""
ORIENTATION = 0x0112
"""EXIF tag; 1 is upright."""


@dataclass(frozen=True)
class Look:
    """What was found in a file."""

    index: int
    fault: str = ""
    """Why it is not readable; empty: it is."""
    digest: bytes = b""
    """Of its content."""
    shorter_side: int = 0
    """px."""
    is_gone: bool = False
    """Whether the file cannot be had at all, which says nothing about what is in it."""
    turned: bool = False
    """Whether it says that a viewer should turn or mirror it, which we do not."""


class _Looks(Dataset[list[Look]]):
    """Looks into files, and copies them on the way."""

    def __init__(self, files: FileSet, copy: Copy | None) -> None:
        self._files, self._copy = files, copy

    def __getitem__(self, indices_m: NDArray[np.int64]) -> list[Look]:
        return [self._look(index) for index in indices_m.tolist()]

    def _look(self, index: int) -> Look:
        path = self._files.path(index)
        try:
            with opened(path) as header:
                shorter_side = min(header.size)
                turned = header.getexif().get(ORIENTATION, 1) != 1
            digest = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
            if self._copy is None:
                self._files.image_chw(index)
            else:
                self._copy.write(self._files, index)
        except UnreadableImage as error:
            return Look(index, error.reason, is_gone=isinstance(error, UnreachableFile))
        return Look(index, digest=digest, shorter_side=shorter_side, turned=turned)


def looks(files: FileSet, workers: int, copy: Copy | None = None) -> Iterator[Look]:
    """A look into each file, in their order; with ``copy``, each readable one is copied."""
    chunks = [
        np.arange(start, min(start + CHUNK, len(files))) for start in range(0, len(files), CHUNK)
    ]
    for found in read_by_workers(_Looks(files, copy), chunks, workers):
        yield from found


@dataclass(frozen=True)
class Verdict:
    """What the looks into all files say together."""

    unreadable: tuple[tuple[str, str], ...]
    """File and reason."""
    repeated: tuple[tuple[str, str], ...]
    """Files whose content is in two splits."""
    turned: int
    """Files with an EXIF orientation, which is not applied."""
    shorter_sides: tuple[int, int, int]
    """Smallest, median and largest, px; zeros where nothing is readable."""


def judge(files: FileSet, split_n: NDArray[np.int64], found: Iterator[Look]) -> Verdict:
    """Gather the looks; ``split_n`` says of each file, by a number, in which split it is."""
    unreadable, repeated, sides, turned = [], [], [], 0
    first: dict[bytes, int] = {}
    for look in found:
        if look.fault:
            unreadable.append((str(files.path(look.index)), look.fault))
            continue
        sides.append(look.shorter_side)
        turned += look.turned
        other = first.setdefault(look.digest, look.index)
        if split_n[other] != split_n[look.index]:
            repeated.append((str(files.path(other)), str(files.path(look.index))))
    spread = (min(sides), int(np.median(sides)), max(sides)) if sides else (0, 0, 0)
    return Verdict(tuple(unreadable), tuple(repeated), turned, spread)
