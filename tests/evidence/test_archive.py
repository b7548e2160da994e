"""A bundle's bytes follow from its members, and each of them is missed when it is another."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from vgglab.evidence import BrokenBundle, unpack, write_bundle
from vgglab.evidence.certificate import certificate, read_certificate

MEMBERS: dict[str, bytes | Path] = {
    "studies/s/study.json": b"{}\n",
    "studies/s/claims.json": b'{"claims": []}\n',
    "runs/a-s0-1/config.yaml": b"seed: 0\n",
}


def write(path: Path, **more: bytes | Path) -> str:
    return write_bundle(
        path,
        MEMBERS | more,
        study="s",
        words=[{"claim": "c", "word": "supported"}],
        written_by={"commit": "c0ffee", "source": "beef", "versions": {"python": "3.11"}},
    )


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.zip"
    write(path)
    return path


def complaint(path: Path, scratch: Path) -> str:
    """What is said of a bundle; empty where it is whole."""
    scratch.mkdir()
    try:
        unpack(path, scratch)
    except BrokenBundle as error:
        return str(error)
    finally:
        shutil.rmtree(scratch)
    return ""


def test_the_same_members_are_the_same_bytes_whenever_they_are_written(tmp_path: Path) -> None:
    held = tmp_path / "center.parquet"
    held.write_bytes(b"PAR1" * 1000)
    name = "runs/a-s0-1/predictions/center.parquet"
    first = write(tmp_path / "first.zip", **{name: held})
    os.utime(held, (1, 1))
    reordered = dict(reversed([*MEMBERS.items(), (name, held.read_bytes())]))
    second = write_bundle(
        tmp_path / "second.zip",
        reordered,
        study="s",
        words=[{"claim": "c", "word": "supported"}],
        written_by={"commit": "c0ffee", "source": "beef", "versions": {"python": "3.11"}},
    )
    assert first == second == hashlib.sha256((tmp_path / "first.zip").read_bytes()).hexdigest()
    found = unpack(tmp_path / "first.zip", tmp_path / "out")
    assert found["study"] == "s"
    assert (tmp_path / "out" / name).read_bytes() == held.read_bytes()
    assert zipfile.ZipFile(tmp_path / "first.zip").testzip() is None


def test_each_changed_byte_is_noticed(whole: Path, tmp_path: Path) -> None:
    good = whole.read_bytes()
    assert not complaint(whole, tmp_path / "scratch")
    other = tmp_path / "other.zip"
    for place in range(0, len(good), 7):  # all of them take fifteen seconds
        changed = bytearray(good)
        changed[place] ^= 1 << place % 8
        other.write_bytes(changed)
        said = complaint(other, tmp_path / "scratch")
        assert said.startswith(f"{other}: "), place
        assert "\n" not in said


def test_what_is_cut_off_or_put_around_is_noticed(whole: Path, tmp_path: Path) -> None:
    good, other = whole.read_bytes(), tmp_path / "other.zip"
    for changed in (good[:-1], good[: len(good) // 2], b"", b"#!" + good, good + b" ", b"no zip"):
        other.write_bytes(changed)
        assert complaint(other, tmp_path / "scratch")


def test_the_member_that_was_changed_is_named(whole: Path, tmp_path: Path) -> None:
    good, other = whole.read_bytes(), tmp_path / "other.zip"
    other.write_bytes(good.replace(b"seed: 0", b"seed: 1"))
    said = complaint(other, tmp_path / "scratch")
    assert said.startswith(f"{other}: runs/a-s0-1/config.yaml: was changed")
    other.write_bytes(good.replace(b"c0ffee", b"c0ffed"))
    assert f"{other}: certificate.json: was changed" in complaint(other, tmp_path / "scratch")


@pytest.mark.parametrize(
    ("leave_out", "add", "said"),
    [
        ("runs/a-s0-1/config.yaml", "", "runs/a-s0-1/config.yaml: is missing"),
        ("certificate.json", "", "certificate.json: is missing"),
        ("", "runs/a-s0-1/status.json", "runs/a-s0-1/status.json: was added"),
        ("", "studies/s/study.json", "studies/s/study.json: is there twice"),
        ("", "../evil.json", "'../evil.json': was added; no bundle has a file of such a name"),
        ("", "/etc/passwd", "'/etc/passwd': was added; no bundle has a file of such a name"),
        ("", "runs/../../x/config.yaml", "no bundle has a file of such a name"),
        ("", "runs/a/.bashrc", "no bundle has a file of such a name"),
    ],
)
def test_another_set_of_members_is_noticed(
    whole: Path, tmp_path: Path, leave_out: str, add: str, said: str
) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(whole) as one, zipfile.ZipFile(other, "w") as two:
        for info in one.infolist():
            if info.filename != leave_out:
                two.writestr(info, one.read(info))
        if add:
            is_double = add in one.namelist()
            with (
                pytest.warns(UserWarning, match="Duplicate name")
                if is_double
                else contextlib.nullcontext()
            ):
                two.writestr(add, "x")
    assert said in complaint(other, tmp_path / "scratch")
    assert not (tmp_path.parent / "evil.json").exists()


def test_a_bomb_is_not_opened(tmp_path: Path, whole: Path) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("studies/s/claims.json", bytes(50_000_000))
    assert "studies/s/claims.json: is compressed" in complaint(other, tmp_path / "scratch")
    good = whole.read_bytes()
    place = good.rindex(b"PK\x01\x02") + 24  # of the last member's size in the directory
    other.write_bytes(good[:place] + b"\xff\xff\xff\x7f" + good[place + 4 :])
    assert "claims to be larger than the bundle" in complaint(other, tmp_path / "scratch")


def test_a_renewed_certificate_is_not_noticed_and_a_patched_one_is() -> None:
    text = certificate("s", [], {"commit": "", "source": "", "versions": {}}, {})
    assert read_certificate(text)["study"] == "s"
    with pytest.raises(ValueError, match="its own seal"):
        read_certificate(text.replace(b'"s"', b'"t"'))


def test_no_name_is_written_that_would_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no name of a bundle's member"):
        write(tmp_path / "x.zip", **{"runs/a/checkpoints/last.ckpt": b""})
    assert not list(tmp_path.iterdir())
