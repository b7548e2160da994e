"""The row by which a data set answers for itself: of images in memory, or of image files."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, assert_never

from vgglab.config import FilesConfig
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.listing import Listing
from vgglab.data.splits import (
    SPLITS,
    ImageSet,
    Splits,
    check_labels,
    check_split_is_there,
    load_or_make,
)
from vgglab.data.unreadable import Skipped, skipped_among, skipped_fingerprint, unreadable_files

PIXELS_VERSION = 2
"""Raised when the same files come to give a net other pixels."""


class NamedClasses(Protocol):
    """Fields that the config of every data set in memory has."""

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> int: ...


Data = TypeVar("Data", bound=NamedClasses)
Files = TypeVar("Files", bound=FilesConfig)


def nothing_to_unpack(_: object) -> None:
    """Does nothing: the files lie in their folders already."""


@dataclass(frozen=True, kw_only=True)
class MemorySource(Generic[Data]):
    """A data set whose images have one size and fit into memory."""

    channels: int
    """Colour channels."""
    content: Callable[[Data], str]
    """Digest of the files that the images are made from, and the version of what makes them."""
    address: Callable[[Data], str]
    """URL for a reader to follow."""
    read: Callable[[Data, Path], Splits[ImageSet]]
    """The splits, given the folder under ``paths.data`` that is the data set's own."""
    published_images: tuple[int, int] | None = None
    """Training images, of which validation is taken, and test images; None where the config says
    how many there are."""

    def fingerprint(self, config: Data, folder: Path) -> str:
        """The content's digest; nothing in ``folder`` adds to it."""
        return self.content(config)

    def load(self, config: Data, folder: Path) -> Splits[ImageSet]:
        """The splits, checked.

        Raises:
            DataError: they cannot be had, one is empty, or a label is not of one of the classes.
        """
        splits = self.read(config, folder / config.name)
        check_split_is_there(splits)
        check_labels(splits, config.classes)
        return splits


@dataclass(frozen=True, kw_only=True)
class FileSource(Generic[Files]):
    """A data set of colour image files of any size."""

    channels: int = 3
    content: Callable[[Files], str]
    """Digest of all files, whatever is in them."""
    address: Callable[[Files], str]
    """URL for a reader to follow."""
    listing: Callable[[Files], Listing]
    """The files, downloaded first where that is possible; a DataError where some are missing."""
    split: Callable[[Files, Listing], Splits[FileSet]]
    """The splits of all files, readable or not."""
    unpack: Callable[[Files], None] = nothing_to_unpack
    """Makes the folders out of the archives that the user put there, for ``task=prepare``."""
    published_images: tuple[int, int] | None = None
    """Training images, of which validation is taken, and test images; None where it is unknown."""

    def fingerprint(self, config: Files, folder: Path) -> str:
        """The content's digest, the version of the pixels, and which files are skipped.

        With ``data.on_error=skip`` all files are read once, and ``folder`` keeps what was found.
        """
        skipped = ""
        if _skips(config):
            listing = self.listing(config)
            skipped = skipped_fingerprint(listing, unreadable_files(listing, folder))
        return f"{self.content(config)};pixels:{PIXELS_VERSION}{skipped}"

    def load(self, config: Files, folder: Path) -> Splits[FileSet]:
        """The splits, without the files that are to be skipped.

        Raises:
            DataError: files are missing, or a split or a class has none left.
        """
        listing = self.listing(config)
        splits = _mapped(
            self.split(config, listing),
            lambda files: dataclasses.replace(files, decoder=config.decoder),
        )
        return _without_unreadable(splits, listing, folder) if _skips(config) else splits

    def skipped(self, config: Files, folder: Path) -> tuple[Skipped, ...]:
        """The files that ``data.on_error=skip`` leaves out: see ``registry.skipped_files``."""
        if not _skips(config):
            return ()
        listing = self.listing(config)
        splits = self.split(config, listing)
        members = {split: getattr(splits, split).originals_n.tolist() for split in SPLITS}
        return skipped_among(listing, members, unreadable_files(listing, folder))


Source = MemorySource[Any] | FileSource[Any]


def cached_splits(
    config: Any, folder: Path, content: str, make: Callable[[], Splits[ImageSet]]
) -> Splits[ImageSet]:
    """The splits of a config, made once and kept in a file.

    Args:
        config: The data set's; a digest of it is in the name of the file.
        folder: The data set's own folder under ``paths.data``.
        content: Digest of what the images are made from.
        make: Makes the splits.

    Raises:
        DataError: the file is damaged.
    """
    key = hashlib.sha256(f"{config!r}{content}".encode()).hexdigest()[:16]
    return load_or_make(folder / f"{key}.npz", make)


def _skips(config: FilesConfig) -> bool:
    match config.on_error:
        case "skip":
            return True
        case "fail":
            return False
        case _ as unknown:
            assert_never(unknown)


def _mapped(splits: Splits[FileSet], change: Callable[[FileSet], FileSet]) -> Splits[FileSet]:
    return Splits(**{name: change(getattr(splits, name)) for name in SPLITS})


def _without_unreadable(splits: Splits[FileSet], listing: Listing, folder: Path) -> Splits[FileSet]:
    """The splits are of all files, so that an unreadable one moves no other to another split.

    Raises:
        DataError: a split, or a class to train on, has no image left.
    """
    bad = unreadable_files(listing, folder)
    left = _mapped(splits, lambda files: files.without(bad))
    lost = set(splits.train.labels_n.tolist()) - set(left.train.labels_n.tolist())
    if lost:
        raise DataError(
            f"{listing.root}: no training image of {listing.classes[min(lost)]} can be read"
        )
    if empty := [split for split in SPLITS if not len(getattr(left, split))]:
        raise DataError(f"{listing.root}: no {empty[0]} image can be read")
    return dataclasses.replace(left, test=splits.test.with_skipped(bad))
