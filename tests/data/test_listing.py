"""Classes, splits and fingerprint of an image folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vgglab.config import FolderConfig
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.listing import list_images
from vgglab.data.sources.registry import fingerprint, load_splits
from vgglab.data.splits import SPLITS, Splits


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 9)).save(path)


def make(root: Path, **images: int) -> Path:
    """``root/<split>/{cat,dog}/*.jpg``, so many of each class."""
    for split, count in images.items():
        for name in ("dog", "cat"):
            touch(*(root / split / name / f"{i:03}.jpg" for i in range(count)))
    return root


def splits_of(root: Path, **fields: Any) -> Splits[FileSet]:
    return load_splits(FolderConfig(root=str(root), classes=2, **fields), root)


def names(split: FileSet) -> set[str]:
    return {name.decode() for name in split.names_n.tolist()}


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_splits_that_have_a_folder_are_taken_from_it(validation: str, tmp_path: Path) -> None:
    splits = splits_of(make(tmp_path, **{"train": 6, validation: 2, "test": 3}))
    for name, folder, count in (
        ("train", "train", 12),
        ("validation", validation, 4),
        ("test", "test", 6),
    ):
        split: FileSet = getattr(splits, name)
        assert len(split) == count
        assert all(file.startswith(f"{folder}/") for file in names(split))
        for file, label in zip(split.names_n.tolist(), split.labels_n, strict=True):
            assert file.split(b"/")[1] == [b"cat", b"dog"][label]


@pytest.mark.parametrize("present", [("train", "val"), ("train", "test"), ("train",), ()])
def test_the_others_are_split_off_by_class_and_by_file(
    present: tuple[str, ...], tmp_path: Path
) -> None:
    root = make(tmp_path, **dict.fromkeys(present or (".",), 20))
    splits = splits_of(root, test_fraction=0.25, validation_fraction=0.1)
    sizes = {
        "train": 40 - 4 * ("val" not in present) - 10 * ("test" not in present),
        "validation": 40 if "val" in present else 4,
        "test": 40 if "test" in present else 10,
    }
    parts = {split: names(getattr(splits, split)) for split in SPLITS}
    assert {split: len(part) for split, part in parts.items()} == sizes
    assert len(set.union(*parts.values())) == sum(sizes.values())
    for split in SPLITS:
        assert (np.bincount(getattr(splits, split).labels_n) == sizes[split] // 2).all()
    assert names(splits_of(root, test_fraction=0.25).test) == parts["test"]
    if "test" not in present:
        assert names(splits_of(root, test_fraction=0.25, split_seed=1).test) != parts["test"]


def test_images_in_folders_of_a_class_and_odd_files(tmp_path: Path) -> None:
    touch(tmp_path / "cat/images/a.JPEG", tmp_path / "cat/b.PNG", tmp_path / "dog/ä \udce4.jpg")
    touch(tmp_path / "cat/.hidden.jpg", tmp_path / ".trash/c.jpg")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    listing = list_images(tmp_path)
    assert listing.classes == ("cat", "dog")
    files = listing.file_set(np.arange(3))
    assert [files.path(i).relative_to(tmp_path) for i in range(3)] == [
        Path("cat/b.PNG"),
        Path("cat/images/a.JPEG"),
        Path("dog/ä \udce4.jpg"),
    ]
    assert files.image_chw(2).shape == (3, 9, 8)
    assert listing.bytes_n.tolist() == [files.path(i).stat().st_size for i in range(3)]


def test_the_fingerprint_is_of_names_and_sizes(tmp_path: Path) -> None:
    def of(folder: str) -> str:
        return fingerprint(FolderConfig(root=str(tmp_path / folder), classes=2), tmp_path)

    for folder in ("one", "same", "longer", "renamed"):
        make(tmp_path / folder, train=3)
    with (tmp_path / "longer/train/cat/000.jpg").open("ab") as file:
        file.write(b"x")
    (tmp_path / "renamed/train/cat/000.jpg").rename(tmp_path / "renamed/train/cat/0.jpg")
    assert of("one").startswith("files:6:sha256:")
    assert of("one") == of("same")
    assert len({of(folder) for folder in ("one", "longer", "renamed")}) == 3


def broken(root: Path, how: str) -> None:
    make(root, train=4)
    if how == "no train":
        (root / "train").rename(root / "val")
    elif how == "two":
        make(root, val=1, validation=1)
    elif how == "unknown class":
        touch(root / "test" / "cow" / "a.jpg")
    elif how == "flat":
        touch(root / "test" / "a.jpg")
    elif how == "empty class":
        (root / "train" / "ant").mkdir()
    elif how == "one class":
        (root / "train" / "dog").rename(root / ".dog")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no train", "has val, but no train folder"),
        ("two", "has both val and validation; which is meant?"),
        ("unknown class", "test/cow: a class that is not in the train folder"),
        ("flat", "images and no class folders, so nobody knows their classes"),
        ("empty class", "train/ant: a class without images"),
        ("one class", "one class, cat; a net tells at least two apart"),
        ("too few", "too few training images (8) to split off any for validation"),
    ],
)
def test_a_folder_that_is_not_as_it_should_be(how: str, message: str, tmp_path: Path) -> None:
    broken(tmp_path, how)
    with pytest.raises(DataError) as caught:
        splits_of(tmp_path, validation_fraction=0.1)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_that_is_split_off_whole_is_refused(tmp_path: Path) -> None:
    for name, count in (("cat", 20), ("dog", 2)):
        for number in range(count):
            touch(tmp_path / name / f"{number}.jpg")
    with pytest.raises(DataError, match=r"no training image of dog is left .*fraction = 0\.45"):
        splits_of(tmp_path, test_fraction=0.45, validation_fraction=0.45)
