"""Functions that work for any data set, by the row that its config dataclass names."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import Any, assert_never, overload

from vgglab.config import DataConfig, FilesConfig, MemoryConfig
from vgglab.data.files import FileSet
from vgglab.data.image_files import in_words
from vgglab.data.listing import Listing
from vgglab.data.sources.source import FileSource, MemorySource, Source
from vgglab.data.splits import SPLITS, ImageSet, Splits
from vgglab.data.unreadable import Skipped

log = logging.getLogger(__name__)

MOST_NAMES = 10
"""Classes that a warning names."""


def source_of(config: DataConfig) -> Source:
    """The row of a data set; its module is imported here.

    Raises:
        TypeError: the config's class names none.
    """
    kind = type(config)
    module, _, row = str(getattr(kind, "source", "")).partition(":")
    found = getattr(import_module(module), row, None) if module and row else None
    if not isinstance(found, MemorySource | FileSource):
        raise TypeError(
            f"{kind.__name__}: has no source; set its class variable source to module:row, "
            "a MemorySource or a FileSource"
        )
    return found


def _file_source(config: FilesConfig) -> FileSource[Any]:
    source = source_of(config)
    if not isinstance(source, FileSource):
        raise TypeError(f"{type(config).__name__}: its source has no files")
    return source


def channels(config: DataConfig) -> int:
    """Colour channels of the images."""
    return source_of(config).channels


def published_images(config: DataConfig) -> tuple[int, int] | None:
    """Numbers of training images, of which validation is taken, and of test images, known without
    the data; None where they are not."""
    return source_of(config).published_images


def fingerprint(config: DataConfig, folder: Path) -> str:
    """Digest of what the images are made from, in addition to the config.

    Cheap enough for every point of a sweep: no image is read, though a folder's are listed; with
    ``data.on_error=skip`` all are read once, and the result is kept in ``folder``.

    Raises:
        DataError: a folder of images is not there.
    """
    return source_of(config).fingerprint(config, folder)


def listing_fingerprint(config: FilesConfig) -> str:
    """Fingerprint of all files, whatever is in them.

    Raises:
        DataError: a folder of images is not there.
    """
    return _file_source(config).content(config)


def source_url(config: DataConfig) -> str:
    """Where the images come from, for a reader to follow."""
    return source_of(config).address(config)


def unpack(config: FilesConfig) -> None:
    """Make the folders of a data set that is distributed as archives, where they are not there.

    Raises:
        DataError: an archive is missing or broken.
    """
    _file_source(config).unpack(config)


@overload
def load_splits(config: MemoryConfig, folder: Path) -> Splits[ImageSet]: ...
@overload
def load_splits(config: FilesConfig, folder: Path) -> Splits[FileSet]: ...
def load_splits(config: DataConfig, folder: Path) -> Splits[ImageSet] | Splits[FileSet]:
    """The three splits: whole in memory, or the files they are in.

    Raises:
        DataError: the data set is not in ``folder``, or ``data.root``, and cannot be had, or a
            label is not of one of the classes.
    """
    return source_of(config).load(config, folder)


def listing_of(config: FilesConfig) -> Listing:
    """The image files of a data set.

    Raises:
        DataError: they are not there, or their number of classes is not the config's.
    """
    return _file_source(config).listing(config)


def warn_of_missing_classes(config: DataConfig, splits: Splits[ImageSet] | Splits[FileSet]) -> None:
    """Warn of the classes that a split of files has no image of: its errors are of the others."""
    match source_of(config):
        case MemorySource():
            return
        case FileSource() as source:
            names = source.listing(config).classes
        case _ as unknown:
            assert_never(unknown)
    for split in SPLITS:
        present = set(getattr(splits, split).labels_n.tolist())
        if lacking := [name for label, name in enumerate(names) if label not in present]:
            shown = ", ".join(lacking[:MOST_NAMES]) + (", ..." if lacking[MOST_NAMES:] else "")
            log.warning(
                "%s: no image of %d of %d classes (%s); its errors are of the others alone",
                *(split, len(lacking), len(names), shown),
            )


def warn_of_images_left_out(config: DataConfig) -> None:
    """Warn of the files in the folders of a data set that are not taken for images."""
    match source_of(config):
        case MemorySource():
            return
        case FileSource() as source:
            listing = source.listing(config)
        case _ as unknown:
            assert_never(unknown)
    if listing.left_out:
        log.warning("%s: left out: %s", listing.root, in_words(listing.left_out))


def skipped_files(config: DataConfig, folder: Path) -> tuple[Skipped, ...]:
    """The files that ``data.on_error=skip`` leaves out of training and validation, and counts as
    errors in the test.

    Raises:
        DataError: as ``load_splits``.
    """
    match source_of(config):
        case MemorySource():
            return ()
        case FileSource() as source:
            return source.skipped(config, folder)
        case _ as unknown:
            assert_never(unknown)
