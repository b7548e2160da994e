"""Which files under a folder are images, and how many of which kind are not."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image, ImageFile

from vgglab.data.errors import DataError

NOT_DECODED = ("EPS", "IPTC", "MPEG", "WMF")
"""Formats that Pillow opens and does not decode, or by the help of another program."""
NO_DATA = "that hold no data (pipes, devices)"
NO_ENDING = "without an ending"
LOOSE = "{} in no class folder"

Place = tuple[int, int]
"""Device and inode of a folder."""


def image_endings() -> tuple[str, ...]:
    """Endings, in small letters, of the files that the installed Pillow decodes, with what plugins
    have registered."""
    endings = Image.registered_extensions()
    # MPO, of cameras with two lenses, is opened as JPEG.
    return tuple(ending for ending, kind in endings.items() if kind == "MPO" or _decodes(kind))


def _decodes(kind: str) -> bool:
    if kind in NOT_DECODED or kind not in Image.OPEN:
        return False
    reader = Image.OPEN[kind][0]
    return not (isinstance(reader, type) and issubclass(reader, ImageFile.StubImageFile))


class ImageFiles:
    """The image files under folders; counts the other files that it meets."""

    def __init__(self) -> None:
        self._endings = image_endings()
        self.left_out: Counter[str] = Counter()
        """What the other files are -> their number."""

    def under(self, folder: Path, above: frozenset[Place]) -> Iterator[tuple[bytes, int]]:
        """The images in a folder and in the folders in it.

        Args:
            folder: Where to look.
            above: The folders that it is in.

        Returns:
            Name, relative to the folder, and size of each.

        Raises:
            DataError: a link leads nowhere, or to a folder that it is in.
        """
        above = with_place(folder, above)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    inner = os.fsencode(entry.name)
                    for name, size in self.under(Path(entry.path), above):
                        yield inner + b"/" + name, size
                elif (found := self._size_of_image(entry)) is not None:
                    yield os.fsencode(entry.name), found

    def _size_of_image(self, entry: os.DirEntry[str]) -> int | None:
        ending = Path(entry.name).suffix.lower()
        if entry.is_symlink():
            check_link(Path(entry.path))
        if ending not in self._endings:
            self.left_out[ending or NO_ENDING] += 1
            return None
        found = entry.stat()
        if not stat.S_ISREG(found.st_mode):
            self.left_out[NO_DATA] += 1
            return None
        return found.st_size

    def count_loose(self, folder: Path) -> None:
        """Count the images that lie beside class folders, in none of them."""
        with os.scandir(folder) as entries:
            for entry in entries:
                ending = Path(entry.name).suffix.lower()
                hidden = entry.name.startswith(".")
                if not hidden and ending in self._endings and entry.is_file():
                    self.left_out[LOOSE.format(ending)] += 1


def with_place(folder: Path, above: frozenset[Place]) -> frozenset[Place]:
    """The folders that something in this folder is in.

    Raises:
        DataError: the folder is one of those above it, by a link.
    """
    found = folder.stat()
    place = found.st_dev, found.st_ino
    if place in above:
        raise DataError(f"{folder}: a link to a folder that it is in; remove it")
    return above | {place}


def check_link(path: Path) -> None:
    """Refuse a link to what is not there.

    Raises:
        DataError: it is one; what it stood for would be missing unsaid.
    """
    if path.is_symlink() and not path.exists():
        raise DataError(
            f"{path}: a link to {path.readlink()}, which is not there; fetch it or remove the link"
        )


def in_words(left_out: Mapping[str, int]) -> str:
    """How many files are left out, and of which kinds; most first."""
    total = sum(left_out.values())
    kinds = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return f"{total:,} file{'s' * (total > 1)} ({', '.join(f'{n:,} {kind}' for kind, n in kinds)})"
