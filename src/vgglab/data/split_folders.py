"""Which folders of a data set hold its splits, by the names that people give them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from vgglab.data.errors import DataError

NAMES = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "validate", "dev", "development"),
    "test": ("test", "testing", "tst"),
}
"""Split -> the names that its folder may have, in small or capital letters."""
_SUFFIX = re.compile(r"[ _-]?(set|data|images|split)$")
"""May follow: ``training_set``, ``Test Images``."""
CERTAIN = ("val", "validation", "test")
"""Names that stand for a split even where no folder is called ``train``: hardly a class's."""

MOST_NAMED = 3
"""Folders in a message."""


def split_of(folder: str) -> str | None:
    """The split that a folder of this name holds, if it is one that splits have."""
    name = _SUFFIX.sub("", folder.lower())
    return next((split for split, names in NAMES.items() if name in names), None)


def split_folders(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Assign the folders of a data set to its splits.

    Args:
        root: The data set's folder, for the messages.
        folders: The names of all folders in it.

    Returns:
        Split -> its folder; empty where the folders are classes.

    Raises:
        DataError: two folders claim one split, or none is for training.
    """
    found: dict[str, str] = {}
    for folder in sorted(folders):
        split = split_of(folder)
        if split in found:
            raise DataError(f"{root}: has both {found[split]} and {folder}; which is meant?")
        if split is not None:
            found[split] = folder
    if "train" in found:
        return {split: found[split] for split in NAMES if split in found}
    if found and (len(found) == len(folders) or any(name in CERTAIN for name in found.values())):
        raise DataError(f"{root}: has {', '.join(found.values())}, but no train folder")
    return {}


def beside_the_splits(root: Path, train: str, others: Sequence[str]) -> DataError:
    """The error for folders of images that belong to no split, which would be left out unsaid.

    Args:
        root: The data set's folder.
        train: The folder of its training images.
        others: The folders that are no split's.
    """
    names = "; ".join(f"{split}: {', '.join(names)}" for split, names in NAMES.items())
    return DataError(
        f"{root}: has {', '.join(others)} beside {train}, which is no split's name ({names}); "
        f"rename it or move it away, or, if {train} is a class, put all classes in a folder train"
    )


def without_classes(root: Path, folder: str, images: int) -> DataError:
    """The error for a split's folder, or the data set's own, that has no class folders.

    Args:
        root: The data set's folder.
        folder: Of the split; ``.`` for the root itself.
        images: Number of images in it.
    """
    what = f"{root / folder}: {f'{images:,} images and ' * (images > 0)}no class folders"
    if images and split_of(folder) not in ("train", None):
        return DataError(
            f"{what}, so nobody knows their classes; sort them into class folders, or move "
            f"{folder} away and images of train are kept apart instead"
        )
    return DataError(f"{what}; each class has a folder of its own")


def check_classes(root: Path, train: str, within: Mapping[str, Sequence[str]]) -> None:
    """See that the class folders are those of classes.

    Args:
        root: The data set's folder.
        train: The folder of its training images; ``.`` for the root itself.
        within: Class -> the folders in its own that hold images; empty for those of one whose own
            holds some too.

    Raises:
        DataError: there is one class, or the splits are in the classes.
    """
    if len(within) == 1:
        ((name, folders),) = within.items()
        if not folders:
            raise DataError(f"{root / train}: one class, {name}; a net tells at least two apart")
        inner = ", ".join([*folders[:MOST_NAMED], *["..."] * (len(folders) > MOST_NAMED)])
        is_root = f"is data.root={root / name} meant?"
        raise DataError(
            f"{root / train}: its one folder, {name}, has folders of its own ({inner}); "
            f"{is_root if train == '.' else 'a folder a class belongs there'}"
        )
    for name, folders in within.items():
        splits = {folder: split for folder in folders if (split := split_of(folder))}
        if train == "." and "train" in splits.values() and len(set(splits.values())) > 1:
            raise DataError(
                f"{root}: {name} has the splits {', '.join(splits)} in it; the folders of splits "
                f"hold those of classes, as train/{name}; or data.root={root / name} is meant"
            )
