"""``task=prepare``: what it says of an image folder, and the copy that it makes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_folder import write_image_folder
from PIL import Image

from vgglab.commands.prepare import prepare
from vgglab.config import Config
from vgglab.config.parse import ConfigError, parse
from vgglab.data.decode import decode_tensor
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.listing import list_images
from vgglab.data.resize import rescaled
from vgglab.data.smaller_copy import COPY_RECORD, SmallerCopy
from vgglab.data.sources.registry import load_splits
from vgglab.data.splits import SPLITS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_image_folder(tmp_path / "images", 60, classes=6)


def config_of(root: Path, **prepare_fields: object) -> Config:
    return parse(
        {
            "task": {"name": "prepare"},
            "data": {"name": "folder", "root": str(root), "classes": 6, "image_size": 32},
            "recipe": {"scale_min": 40, "scale_max": 40},
            "trainer": {"workers": 1},
            "prepare": prepare_fields,
            "format": "json",
        }
    )


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_it_counts_by_class_and_split(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(config_of(folder))
    report = said(capsys)
    assert report["classes"] == [
        {"label": i, "class": str(i), "train": 7, "validation": 1, "test": 2} for i in range(6)
    ]
    assert report["fingerprint"].startswith("files:60:sha256:")
    assert (report["unreadable"], report["repeated"], report["turned"]) == ([], [], 0)
    sides = [min(decode_tensor(file).shape[1:]) for file in folder.glob("*/*.jpg")]
    assert report["shorter_sides"] == [min(sides), int(np.median(sides)), max(sides)]


def test_it_lists_what_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "train").mkdir()
    for number in range(6):
        (folder / str(number)).rename(folder / "train" / str(number))
    write_image_folder(folder / "val", 4, classes=4, seed=1)
    shutil.copy(folder / "val/2/00002.jpg", folder / "train/2/again.jpg")
    (folder / "train/3/00003.jpg").write_bytes(b"")
    (folder / "train/4/00004.jpg").write_text("<html>")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.open(folder / "train/5/00005.jpg").save(folder / "train/5/00005.jpg", exif=turned)
    with pytest.raises(DataError, match=r"unreadable files: 2; files that are in two splits: 1"):
        prepare(config_of(folder))
    report = said(capsys)
    assert report["unreadable"] == [
        [str(folder / "train/3/00003.jpg"), "an empty file"],
        [str(folder / "train/4/00004.jpg"), "not an image"],
    ]
    (pair,) = report["repeated"]
    assert set(pair) == {str(folder / "val/2/00002.jpg"), str(folder / "train/2/again.jpg")}
    assert report["turned"] == 1
    assert [row["validation"] for row in report["classes"]] == [1, 1, 1, 1, 0, 0]


@pytest.mark.slow
def test_a_screen_names_the_classes_that_a_split_lacks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "train").mkdir()
    for number in range(6):
        (folder / str(number)).rename(folder / "train" / str(number))
    write_image_folder(folder / "val", 4, classes=4, seed=1)
    config = config_of(folder)
    object.__setattr__(config, "format", "table")
    prepare(config)
    assert "validation: no image of 4, 5\n" in capsys.readouterr().out


def test_a_copy_has_the_same_files_at_the_smaller_size(folder: Path, tmp_path: Path) -> None:
    Image.effect_noise((90, 120), 60).save(folder / "0" / "large.png")
    Image.effect_noise((30, 31), 60).save(folder / "0" / "small.jpg")
    copy = tmp_path / "copy"
    prepare(config_of(folder, copy=str(copy), shorter_side=48, quality=95))
    before, after = list_images(folder), list_images(copy)
    assert len(before.names_n) == len(after.names_n) == 62
    assert (before.labels_n == after.labels_n).all()
    assert (copy / "0/small.jpg").read_bytes() == (folder / "0/small.jpg").read_bytes()
    for source in sorted(folder.glob("*/*.jpg"))[::5]:
        image_chw, copied_chw = (
            decode_tensor(source),
            decode_tensor(copy / source.relative_to(folder)),
        )
        expected_chw = rescaled(image_chw, min(48, *image_chw.shape[1:]))
        assert copied_chw.shape == expected_chw.shape
        assert (copied_chw.float() - expected_chw.float()).abs().mean() < 4
    assert decode_tensor(copy / "0/large.png.jpg").shape == (3, 64, 48)
    assert after.fingerprint() != before.fingerprint()
    train = load_splits(config_of(copy).data, tmp_path).train
    assert len(train) == 44


def test_a_copy_that_was_cut_short_is_refused_and_goes_on(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    config = config_of(folder, copy=str(copy), shorter_side=48)
    broken = folder / "2" / "00002.jpg"
    content = broken.read_bytes()
    broken.write_bytes(content[:100] + bytes(len(content) - 100))
    with pytest.raises(DataError, match="unreadable files: 1"):
        prepare(config)
    # As after a kill: not complete, one file missing, one half-written.
    mark = json.loads((copy / COPY_RECORD).read_text())
    (copy / COPY_RECORD).write_text(json.dumps(mark | {"complete": False}))
    (copy / "1/00001.jpg").unlink()
    (copy / "1/.00001.jpg.abc.new").write_bytes(b"half")
    kept = (copy / "3/00003.jpg").stat().st_mtime_ns
    with pytest.raises(DataError, match="a copy that is not complete"):
        load_splits(config_of(copy).data, tmp_path)
    broken.write_bytes(content)
    prepare(config)
    assert len(list(copy.rglob("*.jpg"))) == 60
    assert not list(copy.rglob("*.new"))
    assert (copy / "3/00003.jpg").stat().st_mtime_ns == kept
    assert len(load_splits(config_of(copy).data, tmp_path).train) == 42


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_copy_has_the_unreadable_files_too(
    split: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    part = getattr(load_splits(config_of(folder).data, tmp_path), split)
    jpeg, other = part.path(0), part.path(len(part) - 1)
    jpeg.write_bytes(jpeg.read_bytes()[:400])
    other.rename(other.with_suffix(".png"))
    other.with_suffix(".png").write_text("<html>")
    list_images.cache_clear()
    before = config_of(folder, copy=str(copy), shorter_side=48)
    with pytest.raises(DataError, match="unreadable files: 2"):
        prepare(before)
    assert said(capsys)["copy"].endswith("; the unreadable files are in it as they are")
    assert (copy / jpeg.relative_to(folder)).read_bytes() == jpeg.read_bytes()
    after = config_of(copy)
    splits: Any = load_splits(after.data, tmp_path)
    name = f"{other.relative_to(folder).with_suffix('.png')}.jpg".encode()
    assert name in getattr(splits, split).names_n.tolist()
    with pytest.raises(DataError, match="unreadable files: 2"):
        prepare(after)
    said(capsys)
    left: list[Any] = []
    for root in (folder, copy):
        given: Any = config_of(root).data
        data: Any = dataclasses.replace(given, on_error="skip")
        splits = load_splits(data, tmp_path / "data")
        labels = [getattr(splits, name).labels_n.tolist() for name in SPLITS]
        left.append((labels, splits.test.skipped_m.tolist()))
    assert left[0] == left[1]
    assert len(left[0][1]) == (2 if split == "test" else 0)


def test_a_copy_gives_no_two_files_one_name(folder: Path, tmp_path: Path) -> None:
    for name in ("x.png", "x.png.jpg"):
        Image.effect_noise((60, 50), 60).save(folder / "0" / name)
    copy = tmp_path / "copy"
    with pytest.raises(DataError, match=r"0/x\.png and 0/x\.png\.jpg would both be 0/x\.png\.jpg"):
        prepare(config_of(folder, copy=str(copy)))
    assert not copy.exists()


@pytest.mark.parametrize(("letters", "ending", "fits"), [(251, "png", False), (251, "jpg", True)])
def test_a_copy_of_a_file_with_a_long_name(
    letters: int, ending: str, fits: bool, folder: Path, tmp_path: Path
) -> None:
    name, copy = f"{letters * 'x'}.{ending}", tmp_path / "copy"
    Image.effect_noise((60, 50), 60).save(folder / "0" / name)
    if fits:
        prepare(config_of(folder, copy=str(copy)))
        assert (copy / "0" / name).is_file()
        return
    with pytest.raises(DataError, match="a longer name than 255 bytes; rename the file"):
        prepare(config_of(folder, copy=str(copy)))
    assert not copy.exists()


@pytest.mark.slow
def test_a_copy_without_files_that_were_out_of_reach_is_not_complete(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, away, copy = folder / "2" / "00002.jpg", tmp_path / "away.jpg", tmp_path / "copy"
    begin = SmallerCopy.begin

    def goes_away(of: SmallerCopy, fingerprint: str, files: FileSet) -> None:
        begin(of, fingerprint, files)
        source.rename(away)  # after the files were listed

    config = config_of(folder, copy=str(copy), shorter_side=48)
    with monkeypatch.context() as patch:
        patch.setattr(SmallerCopy, "begin", goes_away)
        with pytest.raises(DataError, match="unreadable files: 1"):
            prepare(config)
    assert said(capsys)["copy"].startswith(f"{copy}: not complete, files that could not be had: 1;")
    with pytest.raises(DataError, match="a copy that is not complete"):
        load_splits(config_of(copy).data, tmp_path)
    away.rename(source)
    prepare(config)
    assert said(capsys)["copy"].startswith(f"{copy}: train on it")
    assert len(list(copy.rglob("*.jpg"))) == 60


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"copy": "full"}, "is not empty and no copy of ours"),
        ({"copy": "copy", "shorter_side": 44}, "a copy with another shorter_side"),
        ({"copy": "images/copy"}, "is in the folder that it would be a copy of"),
        ({"copy": "new", "shorter_side": 36}, "smaller than recipe.scale_max = 40"),
    ],
)
def test_a_copy_that_would_be_a_mistake(
    fields: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    prepare(config_of(folder, copy=str(tmp_path / "copy")))
    fields["copy"] = str(tmp_path / fields["copy"])
    with pytest.raises((ConfigError, DataError), match=message):
        prepare(config_of(folder, **fields))


def test_data_in_memory_is_counted_too(datasets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = {
        "task": {"name": "prepare"},
        "format": "csv",
        "paths": {"data": str(datasets)},
    }
    prepare(parse(tree))
    rows = capsys.readouterr().out.splitlines()
    assert rows[:2] == ["label,class,train,validation,test", "0,0,350,50,100"]
    assert len(rows) == 11
    with pytest.raises(ConfigError, match="data=digits has no files"):
        prepare(parse(tree | {"prepare": {"copy": "x"}}))


def test_a_copy_has_the_splits_of_its_original(tmp_path: Path) -> None:
    """``.jpg`` at the end of a name puts it behind another that goes on with a space."""
    folder, copy = write_image_folder(tmp_path / "images", 120, classes=6), tmp_path / "copy"
    for label in range(6):
        files = sorted((folder / str(label)).glob("*.jpg"))
        for number, (one, other) in enumerate(zip(files[::2], files[1::2], strict=True)):
            plain = one.with_suffix(".png")
            Image.open(other).save(plain.with_name(f"{plain.name} (1).png"))
            if number % 2:  # its copy has the same name
                one.rename(plain.with_name(f"{plain.name}.jpg"))
            else:
                Image.open(one).save(plain)
                one.unlink()
            other.unlink()
    prepare(config_of(folder, copy=str(copy), shorter_side=48))
    before, after = (load_splits(config_of(root).data, tmp_path) for root in (folder, copy))
    for split in SPLITS:
        ours, theirs = (getattr(s, split).names_n.tolist() for s in (before, after))
        assert [n if n.endswith(b".jpg") else n + b".jpg" for n in ours] == theirs


def test_a_copy_of_before_stays_in_the_order_of_its_names(folder: Path, tmp_path: Path) -> None:
    """Runs were trained on its splits."""
    first = next(folder.glob("0/*.jpg"))
    for name in ("x.png", "x.png (1).png"):
        Image.open(first).save(first.with_name(name))
    copy = tmp_path / "copy"
    prepare(config_of(folder, copy=str(copy), shorter_side=48))
    mark = json.loads((copy / COPY_RECORD).read_text())
    kept = {name: mark[name] for name in ("source", "shorter_side", "quality", "encoder")}
    (copy / COPY_RECORD).write_text(json.dumps(kept | {"complete": True}))
    found = list_images(copy).names_n.tolist()
    assert found.index(b"0/x.png (1).png.jpg") < found.index(b"0/x.png.jpg")
    list_images.cache_clear()
    (copy / COPY_RECORD).write_text(json.dumps(mark))
    found = list_images(copy).names_n.tolist()
    assert found.index(b"0/x.png.jpg") < found.index(b"0/x.png (1).png.jpg")


def test_the_record_of_a_copy_in_the_same_order_is_as_before(folder: Path, tmp_path: Path) -> None:
    """It is a part of the identity of runs on ImageNet's."""
    copy = tmp_path / "copy"
    prepare(config_of(folder, copy=str(copy), shorter_side=48))
    mark = json.loads((copy / COPY_RECORD).read_text())
    assert mark.keys() == {"source", "shorter_side", "quality", "encoder", "complete"}
