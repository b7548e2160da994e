"""Inspection of every file of an image folder by worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgglab.data.decode import UnreachableFile, UnreadableImage, open_image
from vgglab.data.files import FileSet, read, worker_loader
from vgglab.data.smaller_copy import SmallerCopy

CHUNK = 32
"""Files that a worker reads at a time."""
ORIENTATION = 0x0112
"""EXIF tag; 1 is upright."""


@dataclass(frozen=True)
class FileReport:
    """Result of reading one file."""

    index: int
    fault: str = ""
    """Why it is not readable; empty where it is."""
    digest: bytes = b""
    """Hash of its content."""
    shorter_side: int = 0
    """Shorter side, px."""
    is_unreachable: bool = False
    """Whether the file itself is out of reach, which says nothing about what is in it."""
    turned: bool = False
    """Whether it has an EXIF orientation, which is not applied."""
    one_colour: bool = False
    """Whether all its pixels are alike as they are decoded."""


class _Inspection:
    """Reports on chunks of files; given a copy, also writes each file to it."""

    def __init__(self, files: FileSet, copy: SmallerCopy | None) -> None:
        self._files, self._copy = files, copy

    def __getitem__(self, indices_m: NDArray[np.int64]) -> list[FileReport]:
        return [self._report(index) for index in indices_m.tolist()]

    def _report(self, index: int) -> FileReport:
        path = self._files.path(index)
        try:
            with open_image(path) as header:
                shorter_side = min(header.size)
                turned = header.getexif().get(ORIENTATION, 1) != 1
            digest = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
            image_chw = None if self._copy is None else self._copy.write(self._files, index)
            if image_chw is None:
                image_chw = self._files.image_chw(index)
        except UnreadableImage as error:
            is_unreachable = isinstance(error, UnreachableFile)
            if self._copy is not None and not is_unreachable:
                self._copy.keep(self._files, index)
            return FileReport(index, error.reason, is_unreachable=is_unreachable)
        low_c, high_c = image_chw.flatten(1).aminmax(dim=1)
        return FileReport(
            index,
            digest=digest,
            shorter_side=shorter_side,
            turned=turned,
            one_colour=bool((low_c == high_c).all()),
        )


def inspect_files(
    files: FileSet, workers: int, copy: SmallerCopy | None = None
) -> Iterator[FileReport]:
    """Read every file.

    Args:
        files: Which ones.
        workers: Processes; 0 reads in this one.
        copy: Where given, each file that is not out of reach is also copied.

    Returns:
        A report on each file, in their order.
    """
    chunks = [
        np.arange(start, min(start + CHUNK, len(files))) for start in range(0, len(files), CHUNK)
    ]
    for found in read(worker_loader(_Inspection(files, copy), chunks, workers)):
        yield from found


@dataclass(frozen=True)
class FolderReport:
    """Summary of the reports on all files."""

    unreadable: tuple[tuple[str, str], ...]
    """Path and reason of each unreadable file."""
    out_of_reach: int
    """How many of them ``data.on_error=skip`` does not leave out: what is in them is not known."""
    repeated: tuple[tuple[str, str], ...]
    """Pairs of files with the same content in two splits."""
    turned: int
    """Number of files with an EXIF orientation, which is not applied."""
    one_colour: int
    """Number of files all of whose pixels are alike as they are decoded."""
    shorter_sides: tuple[int, int, int]
    """Smallest, median and largest, px; zeros where nothing is readable."""


def summarise(
    files: FileSet, split_n: NDArray[np.int64], reports: Iterator[FileReport]
) -> FolderReport:
    """Summarise the reports on all files.

    Args:
        files: The files.
        split_n: Number of the split that each file is in.
        reports: On each of them.
    """
    unreadable, repeated, sides, out_of_reach, turned, one_colour = [], [], [], 0, 0, 0
    first: dict[bytes, int] = {}
    for report in reports:
        if report.fault:
            unreadable.append((str(files.path(report.index)), report.fault))
            out_of_reach += report.is_unreachable
            continue
        sides.append(report.shorter_side)
        turned += report.turned
        one_colour += report.one_colour
        other = first.setdefault(report.digest, report.index)
        if split_n[other] != split_n[report.index]:
            repeated.append((str(files.path(other)), str(files.path(report.index))))
    spread = (min(sides), int(np.median(sides)), max(sides)) if sides else (0, 0, 0)
    faults = tuple(unreadable), out_of_reach, tuple(repeated)
    return FolderReport(*faults, turned, one_colour, spread)
