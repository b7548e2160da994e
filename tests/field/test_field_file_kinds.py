"""A7 and B: which files of class folders are images, and what is said of the others."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from running import Command

from vgglab.config import FolderConfig
from vgglab.data.errors import DataError
from vgglab.data.image_files import image_endings
from vgglab.data.listing import list_images
from vgglab.data.sources.registry import load_splits, warn_of_images_left_out


def make(root: Path, *endings: str, each: int = 10) -> Path:
    """So many files of each ending in the folders of two classes."""
    for place, name in enumerate(("cat", "dog")):
        (root / name).mkdir(parents=True, exist_ok=True)
        for ending in endings:
            kind = {".avif": "AVIF", ".webp": "WEBP", ".tga": "TGA", ".jp2": "JPEG2000"}
            for number in range(each):
                image = Image.new("RGB", (40, 40), (100 * place, 20 * number, 50))
                image.save(root / name / f"{number}{ending}", kind.get(ending, "JPEG"))
    return root


def test_what_pillow_reads_is_taken(tmp_path: Path) -> None:
    endings = (".jpg", ".jfif", ".JPE", ".avif", ".webp", ".tga", ".jp2", ".mpo")
    listing = list_images(make(tmp_path, *endings))
    assert len(listing.names_n) == 2 * 10 * len(endings)
    assert listing.left_out == {}
    splits = load_splits(FolderConfig(root=str(tmp_path), classes=2), tmp_path)
    assert {splits.train.image_chw(i).shape for i in range(len(splits.train))} == {(3, 40, 40)}


def test_what_pillow_only_names_is_not_taken() -> None:
    """It opens some files without a way to decode them, or by another program's help."""
    for ending in (".h5", ".grib", ".mpg", ".eps", ".wmf", ".pdf"):
        assert ending not in image_endings()


def test_what_a_plugin_reads_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, ".jpg", ".heic")
    assert list_images(tmp_path).left_out == {".heic": 20}
    list_images.cache_clear()
    monkeypatch.setitem(Image.EXTENSION, ".heic", "JPEG")  # as pillow_heif registers its own
    assert len(list_images(tmp_path).names_n) == 40


def test_the_rest_is_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, command: Command
) -> None:
    root = make(tmp_path / "images", ".jpg", ".heic", "")
    (root / "cat" / "0.npy").touch()
    (root / "loose.jpg").write_bytes((root / "cat" / "0.jpg").read_bytes())
    (root / "README.txt").touch()
    config = FolderConfig(root=str(root), classes=2)
    with caplog.at_level(logging.WARNING):
        warn_of_images_left_out(config)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{root}: left out: 42 files (20 .heic, 20 without an ending, 1 .jpg in no class "
        "folder, 1 .npy)"
    )
    prepare = ("task=prepare", "data=folder", f"data.root={root}", "data.classes=2")
    said = command(*prepare)
    assert said.returncode == 0
    assert "left out: 42 files (20 .heic, 20 without an ending, " in said.stdout
    said = command(*prepare, "format=json")
    assert json.loads(said.stdout)["left_out"] == {
        "without an ending": 20, ".heic": 20, ".npy": 1, ".jpg in no class folder": 1,
    }  # fmt: skip


def test_a_class_of_other_files_alone_says_which(tmp_path: Path) -> None:
    make(tmp_path, ".jpg")
    shutil.rmtree(tmp_path / "dog")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "0.npy").touch()
    with pytest.raises(
        DataError, match=r"dog: a class without images \(left out: 1 file \(1 \.npy\)\)"
    ):
        list_images(tmp_path)


def test_folders_of_jpeg_and_png_keep_their_digest(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number, ending in enumerate(("jpg", "JPEG", "png", "gif", "bmp", "ppm", "tif", "webp")):
            (tmp_path / name / f"{number}.{ending}").write_bytes(bytes(number))
    assert list_images(tmp_path).fingerprint() == (
        "files:16:sha256:45b6652871b46a9192b1d6ad99de501f794d93701b8b741cc91da449f531bade"
    )


def test_pipes_and_sockets_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, ".jpg")
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "cat" / "null.png").symlink_to("/dev/null")
    listing = list_images(tmp_path)
    assert len(listing.names_n) == 20
    assert listing.left_out == {"that hold no data (pipes, devices)": 2}


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("cat/gone.png", "/nowhere/x.png", "cat/gone.png: a link to /nowhere/x.png, which is not"),
        ("cow", "/nowhere/cow", "cow: a link to /nowhere/cow, which is not"),
        ("cat/more", "/nowhere/more", "cat/more: a link to /nowhere/more, which is not"),
        ("cat/self.png", "self.png", "cat/self.png: Too many levels of symbolic links"),
        ("cat/up", "..", "cat/up: a link to a folder that it is in"),
        ("cat/up", ".", "cat/up: a link to a folder that it is in"),
        ("all", ".", "all: a link to a folder that it is in"),
    ],
)
def test_a_link_that_leads_nowhere_or_up(
    name: str, target: str, message: str, tmp_path: Path
) -> None:
    make(tmp_path, ".jpg")
    (tmp_path / name).symlink_to(target)
    with pytest.raises(DataError) as caught:
        list_images(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/{message}")


def test_links_to_images_and_folders_are_followed(tmp_path: Path) -> None:
    make(tmp_path / "store", ".jpg")
    (tmp_path / "linked" / "cat").mkdir(parents=True)
    (tmp_path / "linked" / "dog").symlink_to(tmp_path / "store" / "dog")
    (tmp_path / "linked" / "cat" / "x.jpg").symlink_to(tmp_path / "store" / "cat" / "0.jpg")
    (tmp_path / "linked" / "cat" / "more").symlink_to(tmp_path / "store" / "cat")
    assert len(list_images(tmp_path / "linked").names_n) == 21
