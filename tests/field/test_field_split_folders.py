"""A6: split folders under the names that people give them, and what stands beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vgglab.config import FolderConfig
from vgglab.data.errors import DataError
from vgglab.data.listing import list_images
from vgglab.data.sources.registry import load_splits
from vgglab.data.split_folders import split_of


def make(root: Path, *folders: str) -> Path:
    """Twenty files of each of two classes in each folder."""
    for folder in folders:
        for name in ("cat", "dog"):
            (root / folder / name).mkdir(parents=True)
            for number in range(20):
                (root / folder / name / f"{number:02}.jpg").write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "valid", "test"),
        ("train", "dev", "test"),
        ("Train", "Val", "Test"),
        ("TRAIN", "VALID", "TEST"),
        ("Training", "Validation", "Testing"),
        ("training_set", "validation_set", "test_set"),
        ("train_images", "val_images", "test_images"),
        ("Training Data", "dev-set", "testset"),
    ],
)
def test_the_usual_names_are_splits(folders: tuple[str, ...], tmp_path: Path) -> None:
    splits = load_splits(FolderConfig(root=str(make(tmp_path, *folders)), classes=2), tmp_path)
    for split, folder in zip((splits.train, splits.validation, splits.test), folders, strict=True):
        assert len(split) == 40
        assert all(name.startswith(folder.encode()) for name in split.names_n.tolist())


@pytest.mark.parametrize("other", ["extra", "holdout", "Test2", "bus"])
def test_images_beside_train_are_refused_by_name(other: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"has {other} beside train, which is no split's name"):
        list_images(make(tmp_path, "train", other))


def test_what_holds_no_images_may_stand_beside_train(tmp_path: Path) -> None:
    make(tmp_path, "train")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "train.json").write_text("{}")
    (tmp_path / "__MACOSX" / "train").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "train" / "._00.jpg").write_bytes(b"x")
    assert list_images(tmp_path).classes == ("cat", "dog")


@pytest.mark.parametrize("folders", [("Test", "Valid"), ("testing", "dev")])
def test_splits_without_one_to_train_on_are_refused(
    folders: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="but no train folder"):
        list_images(make(tmp_path, *folders))


@pytest.mark.parametrize("folders", [("Train", "train"), ("train", "training", "test")])
def test_two_folders_of_one_split_are_refused(folders: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which is meant"):
        list_images(make(tmp_path, *folders))


def test_a_class_may_be_called_as_a_split_is(tmp_path: Path) -> None:
    """Among other classes, where no folder is called train."""
    assert list_images(make(tmp_path, "dev", "ops")).classes == ("dev", "ops")
    assert split_of("trainer") is None
    assert split_of("data") is None
