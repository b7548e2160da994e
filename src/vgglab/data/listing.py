"""The image files of a folder: classes, splits, names and sizes."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgglab.data.errors import DataError
from vgglab.data.files import FileSet, Names
from vgglab.data.greys import GreyRange
from vgglab.data.image_files import ImageFiles, check_link, in_words, with_place
from vgglab.data.smaller_copy import check_copy_complete, order_in
from vgglab.data.split_folders import (
    beside_the_splits,
    check_classes,
    split_folders,
    without_classes,
)
from vgglab.data.splits import SPLITS, Labels


@dataclass(frozen=True)
class Listing:
    """The image files under a folder, sorted by split, class and name."""

    root: Path
    classes: tuple[str, ...]
    """Class folders in the order of their labels."""
    names_n: Names
    """Relative to ``root``."""
    bytes_n: NDArray[np.int64]
    """Size of each file."""
    labels_n: Labels
    splits_n: NDArray[np.int64]
    """Place in ``SPLITS`` of the split whose folder each file is in."""
    left_out: Mapping[str, int]
    """What the files are that are no images -> their number."""
    grey_range: GreyRange | None = None
    """By which deep greys are decoded."""

    def members(self, split: str) -> NDArray[np.int64]:
        """Indices of the files in a split's folder."""
        return np.flatnonzero(self.splits_n == SPLITS.index(split))

    def fingerprint(self) -> str:
        """Digest of all names and sizes.

        Not of the contents: every command would have to read them, which takes an hour for a
        million files. A file replaced by one of the same size is therefore not noticed.
        """
        return self._fingerprint

    @property
    def decoding(self) -> str:
        """What decides beside the files what their pixels are, to be put after a fingerprint; empty
        where nothing does."""
        return f";greys:{self.grey_range}" if self.grey_range else ""

    @functools.cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name, size in zip(self.names_n.tolist(), self.bytes_n.tolist(), strict=True):
            digest.update(b"%s\0%d\n" % (name, size))
        return f"files:{len(self.names_n)}:sha256:{digest.hexdigest()}"

    def file_names(self, places: Sequence[int]) -> list[str]:
        """Names of the files at these places, relative to ``root``, as text that can be printed."""
        return [os.fsdecode(self.names_n[i]).encode(errors="replace").decode() for i in places]

    def file_set(self, members_m: NDArray[np.int64]) -> FileSet:
        """These files as a split."""
        names_m, labels_m = self.names_n[members_m], self.labels_n[members_m]
        return FileSet(self.root, names_m, labels_m, members_m, grey_range=self.grey_range)


def data_root(root: str) -> Path:
    """The folder that ``data.root`` names; ``~`` and ``~user`` are their homes.

    Raises:
        DataError: there is no such user.
    """
    try:
        return Path(root).expanduser()
    except RuntimeError as error:
        raise DataError(f"data.root = {root}: there is no such user") from error


@functools.cache
def list_images(root: Path) -> Listing:
    """The image files under ``root``, as they are when the process asks first.

    Raises:
        DataError: there are none, or a folder is not where it should be.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder (data.root)")
    check_copy_complete(root)
    try:
        return _list_images(root)
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror} (data.root)") from error


def _list_images(root: Path) -> Listing:
    folders = _split_folders(root)
    classes = _folders_in(root / folders["train"])
    within: dict[str, list[str]] = {}
    names: list[bytes] = []
    sizes: list[int] = []
    labels: list[int] = []
    splits: list[int] = []
    images, order = ImageFiles(), order_in(root)
    for folder in {".", *folders.values()}:
        images.count_loose(root / folder)
    for split, folder in folders.items():
        above = with_place(root, frozenset())
        if folder != ".":
            above = with_place(root / folder, above)
        found = _folders_in(root / folder)
        if not found:
            in_it = ImageFiles().under(root / folder, frozenset())
            raise without_classes(root, folder, sum(1 for _ in in_it))
        if unknown := sorted(set(found) - set(classes)):
            raise DataError(
                f"{root / folder / unknown[0]}: a class that is not in the train folder"
            )
        for class_name in found:
            left_out = images.left_out.copy()
            prefix = os.fsencode(Path(folder) / class_name) + b"/"
            found_files = images.under(root / folder / class_name, above)
            whole_names = [(prefix + name, size) for name, size in found_files]
            files = sorted(whole_names, key=lambda file: order(file[0]))
            if split == "train" and not files:
                others = images.left_out - left_out
                why = f" (left out: {in_words(others)})" if others else ""
                raise DataError(f"{root / folder / class_name}: a class without images{why}")
            if split == "train":
                below = [name.removeprefix(prefix) for name, _ in files]
                inner = {name.rpartition(b"/")[0].partition(b"/")[0] for name in below}
                within[class_name] = [] if b"" in inner else [*map(os.fsdecode, sorted(inner))]
            names += [name for name, _ in files]
            sizes += [size for _, size in files]
            labels += [classes.index(class_name)] * len(files)
            splits += [SPLITS.index(split)] * len(files)
    check_classes(root, folders["train"], within)
    return Listing(
        root,
        tuple(classes),
        np.array(names, dtype=np.bytes_),
        np.array(sizes, dtype=np.int64),
        np.array(labels, dtype=np.int64),
        np.array(splits, dtype=np.int64),
        dict(images.left_out),
    )


def _split_folders(root: Path) -> dict[str, str]:
    """Split -> its folder, relative to the root; the root itself where no split has one.

    Raises:
        DataError: the folders are not those of splits, although some seem to be.
    """
    folders = _folders_in(root)
    found = split_folders(root, folders)
    if not found:
        return {"train": "."}
    # Annotations, or what an archiver leaves, hold no images.
    above = with_place(root, frozenset())
    others = [name for name in folders if name not in found.values()]
    if with_images := [n for n in others if next(ImageFiles().under(root / n, above), None)]:
        raise beside_the_splits(root, found["train"], with_images)
    return found


def _folders_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in shown:
        check_link(Path(entry.path))
    return sorted(entry.name for entry in shown if entry.is_dir())
