"""Each task tries the folders that it writes to, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vgglab.config.parse import ConfigError, parse
from vgglab.runs import RunDirectory
from vgglab.workflow.places import (
    refuse_files_of_runs,
    refuse_unwritable,
    refuse_unwritable_points,
)


def command(task: str, field: str, value: str, more: dict[str, Any] | None = None) -> Any:
    """The config of a command with one field of a group, or with one of its own."""
    group, _, name = field.rpartition(".")
    return parse(
        {
            "task": {"name": task},
            **(more or {}),
            **({group: {name: value}} if group else {name: value}),
        }
    )


GATE = {"baseline": ["x"], "candidate": ["y"]}
WRITTEN: list[tuple[str, str, dict[str, Any]]] = [
    ("train", "paths.runs", {}),
    ("train", "paths.data", {}),
    ("verify", "paths.runs", {"run": ["x"]}),
    ("report", "paths.studies", {}),
    ("dashboard", "paths.studies", {}),
    ("bundle", "paths.studies", {}),
    ("bundle", "bundle", {}),
    ("evaluate", "paths.studies", {"fuse": ["x", "y"]}),
    ("evaluate", "paths.studies", {"weights": "x.pth"}),
    ("prepare", "paths.data", {}),
    ("prepare", "prepare.copy", {}),
    ("judge", "paths.studies", GATE),
    ("judge", "judge.ledger", GATE),
]


@pytest.mark.parametrize(("task", "field", "more"), WRITTEN)
def test_the_field_its_value_and_the_reason(
    task: str, field: str, more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    value = "file/x/y"
    with pytest.raises(ConfigError) as caught:
        refuse_unwritable(command(task, field, value, more))
    assert str(caught.value) == (
        f'{field} = "{value}": nothing can be made in {tmp_path / "file"} (Not a directory); '
        "name a folder that can be written"
    )
    refuse_unwritable(command(task, field, "new/x/y", more))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_runs_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    refuse_files_of_runs(RunDirectory(tmp_path / name) for name in ("new", "folder", "link"))
    for name in ("file", "gone"):
        with pytest.raises(ConfigError) as caught:
            refuse_files_of_runs([RunDirectory(tmp_path / name)])
        assert str(caught.value) == (
            f"{tmp_path / name}: is no folder, and a run has its own there; move it"
        )


def test_a_ledger_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_unwritable(command("judge", "judge.ledger", str(tmp_path), GATE))
    assert str(caught.value) == f'judge.ledger = "{tmp_path}": is a folder; name a file'


@pytest.mark.parametrize(
    ("task", "field", "more"),
    [
        ("runs", "paths.runs", {}),
        ("plan", "paths.runs", {}),
        ("report", "paths.runs", {}),
        ("diff", "paths.studies", {}),
        ("judge", "bundle", {}),
        ("judge", "paths.studies", {}),  # the words of a study, which enter no ledger
        ("evaluate", "paths.runs", {"run": ["elsewhere/x"]}),
    ],
)
def test_a_task_that_only_reads_there_needs_no_such_folder(
    task: str, field: str, more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    refuse_unwritable(command(task, field, "file/x/y", more))


def test_data_that_are_there_need_not_be_written(tmp_path: Path) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc")
    paths = {"runs": str(tmp_path), "data": "/proc"}
    refuse_unwritable_points([parse({"paths": paths})])
    with pytest.raises(ConfigError, match=r'paths\.data = "/proc/x": nothing can be made in /proc'):
        refuse_unwritable_points([parse({"paths": paths | {"data": "/proc/x"}})])
