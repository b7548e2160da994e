"""W&B's files in the folders of runs: the flat folder of a study's runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vgglab.tracking.local_files import link_runs, upload


def attempt(root: Path, run: str, name: str) -> Path:
    folder = root / "runs" / run / "wandb" / name
    folder.mkdir(parents=True)
    (folder / f"run-{run}.wandb").touch()
    return root / "runs" / run


def test_it_links_the_latest_attempt_of_each_run(tmp_path: Path) -> None:
    first = attempt(tmp_path, "a-s0", "offline-run-20260101_000000-a-s0")
    attempt(tmp_path, "a-s0", "run-20260102_000000-a-s0")
    second = attempt(tmp_path, "b-s0", "offline-run-20260101_000000-b-s0")
    untracked = tmp_path / "runs" / "c-s0"
    flat = link_runs(tmp_path / "studies" / "x", [first, second, untracked])
    assert flat is not None
    assert {path.name for path in flat.iterdir()} == {
        "run-20260102_000000-a-s0",
        "offline-run-20260101_000000-b-s0",
    }
    assert all(list(path.glob("*.wandb")) for path in flat.iterdir())
    assert not any(path.readlink().is_absolute() for path in flat.iterdir())


def test_links_of_runs_that_left_the_study_go_and_its_own_run_stays(tmp_path: Path) -> None:
    first = attempt(tmp_path, "a-s0", "offline-run-20260101_000000-a-s0")
    second = attempt(tmp_path, "b-s0", "offline-run-20260101_000000-b-s0")
    flat = tmp_path / "studies" / "x" / "wandb"
    own = flat / "offline-run-20260101_000000-report-x"
    own.mkdir(parents=True)
    link_runs(flat.parent, [first, second])
    link_runs(flat.parent, [second])
    assert {path.name for path in flat.iterdir()} == {own.name, "offline-run-20260101_000000-b-s0"}


def test_without_tracked_runs_there_is_no_folder(tmp_path: Path) -> None:
    assert link_runs(tmp_path, [tmp_path / "runs" / "a"]) is None
    assert not (tmp_path / "wandb").exists()


@pytest.mark.parametrize(
    ("elsewhere", "options"),
    [
        ({}, ""),
        ({"project": "mine"}, "--project mine "),
        ({"project": "mine", "entity": "lab"}, "--project mine --entity lab "),
    ],
)
def test_a_run_goes_where_its_file_says_unless_the_command_names_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: dict[str, str], options: str
) -> None:
    says_its_arguments = tmp_path / "python"
    says_its_arguments.write_text('#!/bin/sh\necho "$@"\n')
    says_its_arguments.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(says_its_arguments))
    said = upload([tmp_path], elsewhere, lambda: None)
    assert said == f"-m wandb sync --yes {options}{tmp_path}\n"
