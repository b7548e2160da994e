"""A split of a data set: its interface, images in memory, and the three splits together."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vgglab.data.cache import create_once
from vgglab.data.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class WholeImages(Protocol):
    """Interface of a split: labels, originals and, one at a time, whole images of any size."""

    @property
    def labels_n(self) -> Labels: ...

    @property
    def originals_n(self) -> NDArray[np.int64]: ...

    def __len__(self) -> int: ...

    def image_chw(self, index: int) -> Tensor:
        """One whole image (C, H, W), uint8, at its own size."""


@dataclass(frozen=True)
class ImageSet:
    """A split: its images, their labels, and the original that each was made from."""

    images_nchw: Images
    labels_n: Labels
    originals_n: NDArray[np.int64]
    """Index of the original image in its source; no original is in two splits."""

    def __len__(self) -> int:
        return len(self.labels_n)

    def image_chw(self, index: int) -> Tensor:
        """One whole image (C, H, W), uint8."""
        import torch  # not above: most commands load no image and must not wait for it

        return torch.from_numpy(self.images_nchw[index])


Split_co = TypeVar("Split_co", bound=WholeImages, covariant=True)


@dataclass(frozen=True)
class Splits(Generic[Split_co]):
    """Disjoint by original image. Validation selects, test is read once, at the end."""

    train: Split_co
    validation: Split_co
    test: Split_co


SPLITS = ("train", "validation", "test")


def split_originals(
    labels_n: Labels, *, test_fraction: float, validation_fraction: float, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Draw the originals of each split, the same share of every class.

    Args:
        labels_n: Class of each original.
        test_fraction: Share of each class for the test split.
        validation_fraction: Share of each class for validation.
        seed: Of the draw.

    Returns:
        Indices of the originals of each split, ascending.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    parts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in SPLITS}
    for label in np.unique(labels_n):
        members = generator.permutation(np.flatnonzero(labels_n == label))
        tests = round(len(members) * test_fraction)
        validations = round(len(members) * validation_fraction)
        parts["test"].append(members[:tests])
        parts["validation"].append(members[tests : tests + validations])
        parts["train"].append(members[tests + validations :])
    return {name: np.sort(np.concatenate(chunks)) for name, chunks in parts.items()}


def with_validation(
    train: tuple[Images, Labels],
    test: tuple[Images, Labels],
    *,
    validation_images: int,
    train_images: int,
    seed: int,
) -> Splits[ImageSet]:
    """The published test images, and validation taken from the published training images.

    Args:
        train: Images (N, C, H, W) and labels (N,).
        test: The same of the test images: originals of their own, numbered after the training ones.
        validation_images: To be taken, the same share of each class.
        train_images: Of those that are left, the same share of each class; 0: all.
        seed: Of the draws.

    Raises:
        DataError: a number is not the same share of classes that are equally large.
    """
    images_nchw, labels_n = train
    check_equal_shares(labels_n, "validation_images", validation_images)
    check_equal_shares(labels_n, "train_images", train_images)
    members = split_originals(
        labels_n,
        test_fraction=0.0,
        validation_fraction=validation_images / len(labels_n),
        seed=seed,
    )
    left = members["train"]
    if train_images:
        kept = split_originals(
            labels_n[left],
            test_fraction=train_images / len(left),
            validation_fraction=0.0,
            seed=seed,
        )
        left = left[kept["test"]]
    train_part, validation = (
        ImageSet(images_nchw[i], labels_n[i], i) for i in (left, members["validation"])
    )
    test_originals = np.arange(len(test[1])) + len(labels_n)
    return Splits(train=train_part, validation=validation, test=ImageSet(*test, test_originals))


def on_canvas(images_nhw: Images, size: int) -> Images:
    """Grey images in the middle of a black canvas: (N, 1, ``size``, ``size``)."""
    free = size - images_nhw.shape[-1]
    sides = (free // 2, free - free // 2)
    return np.pad(images_nhw, ((0, 0), sides, sides))[:, None]


def check_equal_shares(labels_n: Labels, field: str, count: int) -> None:
    """See that so many images can be the same share of each class, where all are equally large:
    else others would be taken than were asked for.

    Raises:
        DataError: they cannot.
    """
    sizes = np.unique(labels_n, return_counts=True)[1]
    classes = len(sizes)
    if count % classes and sizes.min() == sizes.max():
        below = count - count % classes
        nearest = [str(number) for number in (below, below + classes) if number]
        raise DataError(
            f"data.{field} = {count}: must be a multiple of {classes}, for the same number of each "
            f"class; set {' or '.join(nearest)}"
        )


def check_split_is_there(splits: Splits[WholeImages]) -> None:
    """See that each split has an image: a mean over none is no number.

    Raises:
        DataError: one has none.
    """
    counts = {split: len(getattr(splits, split)) for split in SPLITS}
    if empty := [split for split, count in counts.items() if not count]:
        shown = ", ".join(f"{split} {count:,}" for split, count in counts.items())
        raise DataError(f"no {empty[0]} image ({shown})")


def check_shared_by(validation_images: int, processes: int) -> None:
    """See that every process of a run has a validation image: one without has no loss to give.

    Raises:
        DataError: there are fewer images than processes.
    """
    if validation_images < processes:
        raise DataError(
            f"devices x nodes = {processes}: more than the {validation_images} validation images, "
            "of which each takes its own; set fewer devices, or more by data.validation_images or "
            "data.validation_fraction"
        )


def check_labels(splits: Splits[WholeImages], classes: int) -> None:
    """Check that each label is of one of the classes: else a step fails, on a GPU without a reason.

    Raises:
        DataError: a label is not.
    """
    for split in SPLITS:
        labels_n = getattr(splits, split).labels_n
        wrong = np.flatnonzero((labels_n < 0) | (labels_n >= classes))
        if len(wrong):
            raise DataError(
                f"{split} image {wrong[0]} has label {labels_n[wrong[0]]}: must be 0 to "
                f"{classes - 1} ({len(wrong)} such)"
            )


def load_or_make(path: Path, make: Callable[[], Splits[ImageSet]]) -> Splits[ImageSet]:
    """The splits stored in ``path``, made and stored first by one process where they are not.

    Raises:
        DataError: the file is damaged.
    """
    with create_once(path) as temporary:
        if temporary is not None:
            _store(temporary, make())
    try:
        # Opened here: numpy leaves a file open that is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return Splits(**{name: _stored(stored, name) for name in SPLITS})
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{path}: damaged ({error}); remove it, and it is made again") from error


def _stored(arrays: Mapping[str, Any], name: str) -> ImageSet:
    return ImageSet(*(arrays[f"{name}_{part}"] for part in ("images", "labels", "originals")))


def _store(path: Path, splits: Splits[ImageSet]) -> None:
    arrays: dict[str, NDArray[np.uint8] | NDArray[np.int64]] = {}
    for name in SPLITS:
        part: ImageSet = getattr(splits, name)
        arrays[f"{name}_images"] = part.images_nchw
        arrays[f"{name}_labels"] = part.labels_n
        arrays[f"{name}_originals"] = part.originals_n
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
