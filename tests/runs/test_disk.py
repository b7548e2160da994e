"""What a finished run keeps, and how much it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from vgglab.config.parse import parse
from vgglab.runs import RunDirectory
from vgglab.runs.disk import bytes_of, spare_checkpoints

WRITTEN = (
    "best.ckpt",
    "previous_best.ckpt",
    "last.ckpt",
    "previous.ckpt",
    ".last.ckpt.new",
    "last.unusable",
)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run with every kind of checkpoint."""
    made = RunDirectory(tmp_path / "a-s0")
    made.checkpoints.mkdir(parents=True)
    for name in WRITTEN:
        (made.checkpoints / name).write_bytes(b"12345678")
    return made


@pytest.mark.parametrize("select", ["best", "last"])
def test_the_tested_checkpoint_alone_is_kept(run: RunDirectory, select: str) -> None:
    config = parse({"recipe": {"select": select}})
    spare = {path.name for path in spare_checkpoints(run, config)}
    assert set(WRITTEN) - spare == {f"{select}.ckpt"}


def test_what_w_and_b_may_still_upload_is_kept(run: RunDirectory) -> None:
    config = parse({"recipe": {"select": "last"}, "tracking": {"log_model": True}})
    spare = {path.name for path in spare_checkpoints(run, config)}
    assert set(WRITTEN) - spare == {"best.ckpt", "last.ckpt"}


def test_nothing_is_spare_where_the_tested_one_is_gone(run: RunDirectory) -> None:
    run.best_checkpoint.unlink()
    assert spare_checkpoints(run, parse({})) == []


def test_bytes_are_those_of_files_and_not_of_what_links_name(
    run: RunDirectory, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_bytes(bytes(1000))
    (run.path / "link").symlink_to(tmp_path / "elsewhere")
    (run.path / "loop").symlink_to(run.path)
    assert bytes_of(run.path) == 8 * len(WRITTEN)
    assert bytes_of(run.best_checkpoint) == 8
    assert bytes_of(run.path / "gone") == 0
