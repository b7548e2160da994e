"""The user's own image files: a folder with class folders, in split folders or not."""

from __future__ import annotations

import dataclasses
from urllib.parse import quote

from vgglab.config import FolderConfig
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.listing import Listing, data_root, list_images
from vgglab.data.sources.source import FileSource
from vgglab.data.splits import SPLITS, Splits, split_originals
from vgglab.privacy import without_home


def _all_files(config: FolderConfig) -> Listing:
    if not config.root:
        raise DataError("data=folder: say which, data.root=FOLDER")
    listing = list_images(data_root(config.root))
    if config.grey_range is None:
        return listing
    return dataclasses.replace(listing, grey_range=config.grey_range)


def _listing(config: FolderConfig) -> Listing:
    listing = _all_files(config)
    if len(listing.classes) != config.classes:
        raise DataError(
            f"data.classes = {config.classes}: {config.root} has {len(listing.classes)} class "
            f"folders; set data.classes={len(listing.classes)}"
        )
    return listing


def _split(config: FolderConfig, listing: Listing) -> Splits[FileSet]:
    """The splits that have a folder; the others are split off from the training files, the same
    share of every class.

    Raises:
        DataError: a split would have no image, or a class none to train on.
    """
    train_m = listing.members("train")
    members = {split: listing.members(split) for split in SPLITS}
    parts = split_originals(
        listing.labels_n[train_m],
        test_fraction=0.0 if len(members["test"]) else config.test_fraction,
        validation_fraction=0.0 if len(members["validation"]) else config.validation_fraction,
        seed=config.split_seed,
    )
    chosen = {
        split: train_m[part] if split == "train" or not len(members[split]) else members[split]
        for split, part in parts.items()
    }
    if empty := [split for split, part in chosen.items() if not len(part)]:
        raise DataError(
            f"{listing.root}: too few training images ({len(train_m)}) to split off any for "
            f"{empty[0]} ({_shares(config)})"
        )
    if lost := set(listing.labels_n[train_m].tolist()) - set(
        listing.labels_n[chosen["train"]].tolist()
    ):
        raise DataError(
            f"{listing.root}: no training image of {listing.classes[min(lost)]} is left beside "
            f"those that are split off ({_shares(config)})"
        )
    return Splits(**{split: listing.file_set(part) for split, part in chosen.items()})


def _shares(config: FolderConfig) -> str:
    return (
        f"data.test_fraction = {config.test_fraction}, data.validation_fraction = "
        f"{config.validation_fraction}"
    )


def _address(config: FolderConfig) -> str:
    return f"file://{quote(without_home(str(data_root(config.root).resolve())))}"


FOLDER: FileSource[FolderConfig] = FileSource(
    content=lambda config: _all_files(config).fingerprint(),
    address=_address,
    listing=_listing,
    split=_split,
)
