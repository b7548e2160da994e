"""``data.on_error=skip``: what is left out, what it is counted as, and that nothing else moves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_folder import write_image_folder

from vgglab.config import FolderConfig
from vgglab.data.decode import UnreachableFile, UnreadableImage
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet, whole_images
from vgglab.data.listing import list_images
from vgglab.data.sources.registry import fingerprint, load_splits, skipped_files
from vgglab.data.splits import SPLITS, ImageSet, Splits, check_labels, load_or_make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_image_folder(tmp_path / "images", 60, classes=6)


def config_of(root: Path, **fields: Any) -> FolderConfig:
    return FolderConfig(root=str(root), classes=6, **fields)


def names(files: FileSet) -> list[str]:
    return [name.decode() for name in files.names_n.tolist()]


def spoil(folder: Path, tmp_path: Path) -> dict[str, str]:
    """One file of each split is made unreadable, of the same length as before; split -> file."""
    splits = load_splits(config_of(folder), tmp_path)
    spoilt = {split: names(getattr(splits, split))[3] for split in SPLITS}
    for name in spoilt.values():
        (folder / name).write_bytes(bytes((folder / name).stat().st_size))
    return spoilt


def test_it_moves_no_other_image(folder: Path, tmp_path: Path) -> None:
    before = load_splits(config_of(folder), tmp_path)
    spoilt = spoil(folder, tmp_path)
    after = load_splits(config_of(folder, on_error="skip"), tmp_path)
    for split in ("train", "validation"):
        rest = [name for name in names(getattr(before, split)) if name != spoilt[split]]
        assert names(getattr(after, split)) == rest
    assert names(after.test) == names(before.test)
    assert after.test.skipped_m.tolist() == [3]
    for split in SPLITS:
        for name, label in zip(
            names(getattr(after, split)), getattr(after, split).labels_n, strict=True
        ):
            assert name.startswith(f"{label}/")
    found = skipped_files(config_of(folder, on_error="skip"), tmp_path)
    assert {(s.split, s.file, s.reason) for s in found} == {
        (split, name, "not an image") for split, name in spoilt.items()
    }


def test_fail_names_the_file(folder: Path, tmp_path: Path) -> None:
    spoilt = spoil(folder, tmp_path)
    train = load_splits(config_of(folder), tmp_path).train
    with pytest.raises(UnreadableImage, match=rf"{spoilt['train']}: not an image"):
        list(whole_images(train, np.arange(len(train)), workers=0))
    assert skipped_files(config_of(folder), tmp_path) == ()


def test_what_is_skipped_is_part_of_what_the_data_are(folder: Path, tmp_path: Path) -> None:
    fails, skips = config_of(folder), config_of(folder, on_error="skip")
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    whole = fingerprint(fails, one)
    assert fingerprint(skips, one) == whole  # nothing to skip: the same run
    spoilt = spoil(folder, tmp_path)
    less = fingerprint(skips, two)
    assert less.startswith(f"{whole};skipped:3:sha256:")
    assert fingerprint(fails, two) == whole
    (folder / spoilt["train"]).write_bytes((folder / spoilt["train"]).read_bytes())
    good = next(path for path in sorted(folder.rglob("*.jpg")) if path.read_bytes()[:2] != b"\0\0")
    good.write_bytes(bytes(good.stat().st_size))
    assert fingerprint(skips, three) not in (whole, less)


def test_every_file_is_read_once_and_never_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skips = config_of(folder, on_error="skip")
    spoil(folder, tmp_path)
    first = fingerprint(skips, tmp_path)
    assert "reading all 60 files" in capsys.readouterr().err
    load_splits(skips, tmp_path)
    assert fingerprint(skips, tmp_path) == first
    assert capsys.readouterr().err == ""
    (record,) = (tmp_path / "unreadable").glob("*.json")
    assert len(json.loads(record.read_text())["files"]) == 3
    record.write_text('{"unreadable": ')
    with pytest.raises(DataError, match="damaged; remove it"):
        load_splits(skips, tmp_path)


def test_a_file_that_cannot_be_had_is_never_skipped(folder: Path, tmp_path: Path) -> None:
    skips = config_of(folder, on_error="skip")
    list_images(folder)
    (folder / "2" / "00002.jpg").unlink()  # between listing and reading
    with pytest.raises(UnreachableFile, match=r"2/00002\.jpg: No such file"):
        fingerprint(skips, tmp_path)
    assert not list(tmp_path.glob("unreadable/*.json"))


@pytest.mark.parametrize(
    ("lost", "message"),
    [("4/*.jpg", "no training image of 4 can be read"), ("*/*.jpg", "no training image of 0")],
)
def test_a_class_without_an_image_left_is_not_trained(
    lost: str, message: str, folder: Path, tmp_path: Path
) -> None:
    for path in folder.glob(lost):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=message):
        load_splits(config_of(folder, on_error="skip"), tmp_path)


def test_a_test_split_without_an_image_left_has_no_error(folder: Path, tmp_path: Path) -> None:
    test = tmp_path / "split" / "test"
    shutil.copytree(folder, tmp_path / "split" / "train")
    shutil.copytree(folder, test)
    for path in test.glob("*/*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no test image can be read"):
        load_splits(config_of(tmp_path / "split", on_error="skip"), tmp_path)


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_out_of_range_is_named(label: int) -> None:
    labels_n = np.arange(10, dtype=np.int64)
    fine = ImageSet(np.zeros((10, 1, 8, 8), dtype=np.uint8), labels_n, labels_n)
    wrong_n = labels_n.copy()
    wrong_n[7] = label
    with pytest.raises(DataError, match=rf"test image 7 has label {label}: must be 0 to 9"):
        check_labels(Splits(fine, fine, ImageSet(fine.images_nchw, wrong_n, labels_n)), 10)
    check_labels(Splits(fine, fine, fine), 10)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 cut off", None], ids=["empty", "text", "cut"])
def test_a_damaged_cache_is_named(content: bytes | None, tmp_path: Path) -> None:
    ones = np.ones(4, dtype=np.int64)
    made = ImageSet(np.zeros((4, 1, 8, 8), dtype=np.uint8), ones, ones)
    path = tmp_path / "made.npz"
    load_or_make(path, lambda: Splits(made, made, made))
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(DataError, match=r"made\.npz: damaged .*; remove it"):
        load_or_make(path, lambda: Splits(made, made, made))


def test_no_readable_test_image_is_said(tmp_path: Path) -> None:
    files = FileSet(tmp_path, np.array([b"a", b"b"]), np.arange(2), np.arange(2))
    assert files.with_skipped({1}).skipped_m.tolist() == [1]
    with pytest.raises(DataError, match="no test image can be read"):
        files.with_skipped({0, 1})
