"""Folders whose shape is not class folders: a line says what is wrong with the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import completed

from vgglab.data.errors import DataError
from vgglab.data.listing import list_images


def make(root: Path, *folders: str) -> Path:
    """Three files in each folder."""
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for number in range(3):
            (root / folder / f"{number}.jpg").write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            ("data/train/cat", "data/train/dog", "data/test/cat"),
            "ROOT: its one folder, data, has folders of its own (test, train); is "
            "data.root=ROOT/data meant?",
        ),
        (
            ("set/cat", "set/dog", "set/fox", "set/owl"),
            "ROOT: its one folder, set, has folders of its own (cat, dog, fox, ...); is "
            "data.root=ROOT/set meant?",
        ),
        (
            ("train/images/cat", "train/images/dog"),
            "ROOT/train: its one folder, images, has folders of its own (cat, dog); a folder a "
            "class belongs there",
        ),
        (("cat",), "ROOT: one class, cat; a net tells at least two apart"),
        (("train/cat", "test/cat"), "ROOT/train: one class, cat; a net tells at least two apart"),
        (
            ("train/cat", "train/dog", "val"),
            "ROOT/val: 3 images and no class folders, so nobody knows their classes; sort them "
            "into class folders, or move val away and images of train are kept apart instead",
        ),
        (
            ("train/cat", "train/dog", "test"),
            "ROOT/test: 3 images and no class folders, so nobody knows their classes; sort them "
            "into class folders, or move test away and images of train are kept apart instead",
        ),
        (
            ("train",),
            "ROOT/train: 3 images and no class folders; each class has a folder of its own",
        ),
        ((".",), "ROOT: 3 images and no class folders; each class has a folder of its own"),
        (
            ("cat/train", "cat/test", "dog/train", "dog/test"),
            "ROOT: cat has the splits test, train in it; the folders of splits hold those of "
            "classes, as train/cat; or data.root=ROOT/cat is meant",
        ),
    ],
)
def test_what_is_wrong_is_said(folders: tuple[str, ...], message: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    if folders == (".",):
        (make(tmp_path, "flat")).joinpath("flat").rename(root / "x")
        for file in (root / "x").iterdir():
            file.rename(root / file.name)
        (root / "x").rmdir()
    else:
        make(root, *folders)
    with pytest.raises(DataError) as caught:
        list_images(root)
    assert str(caught.value) == message.replace("ROOT", str(root))


@pytest.mark.parametrize(
    "folders",
    [
        ("cat/2024", "cat/2025", "dog/2024"),  # years within classes
        ("cat/cat", "dog/dog"),
        ("train/cat/a", "train/dog/b", "val/cat"),
        ("cat/train", "dog/wagon"),  # of a model railway
    ],
)
def test_folders_within_classes_are_no_matter(folders: tuple[str, ...], tmp_path: Path) -> None:
    assert list_images(make(tmp_path, *folders)).classes == ("cat", "dog")


def test_a_command_says_it_in_a_line(tmp_path: Path) -> None:
    make(tmp_path, "images/set/cat", "images/set/dog")
    ended = completed(tmp_path, "task=prepare", "data=folder", "data.root=images", "data.classes=2")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.endswith("is data.root=images/set meant?")
