"""Whether files can be made in a folder is found by making one, and nothing is left behind."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from vgglab.runs.writable import why_unwritable


def test_a_folder_that_is_not_there_yet_can_be_made(tmp_path: Path) -> None:
    assert why_unwritable(tmp_path) is None
    assert why_unwritable(tmp_path / "new" / "newer") is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x" / "y"):
        assert why_unwritable(path) == (
            f"nothing can be made in {tmp_path / 'file'} (Not a directory); "
            "name a folder that can be written"
        )


def test_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    why = why_unwritable(tmp_path / "link" / "x")
    assert why is not None
    assert f"nothing can be made in {tmp_path / 'link'} (" in why


def test_a_file_system_whose_permissions_do_not_tell() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc")
    why = why_unwritable(Path("/proc/x"))
    assert why is not None
    assert why.startswith("nothing can be made in /proc (")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_another_matter(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> str:
        raise OSError(number, "full")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    assert why_unwritable(tmp_path) is None
