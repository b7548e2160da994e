"""A folder that cannot be made or written is the user's mistake: one line, before all else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from running import completed

SWEEP = ("-m", "model=a,b", "study.name=s")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("paths.runs", ()),
        ("paths.runs", SWEEP),
        ("paths.runs", ("-m", "paths.runs=/proc/x/1,/proc/x/2", "study.name=s")),
        ("paths.studies", SWEEP),
        ("paths.studies", ("task=report", "sweeps=quickstart")),
        ("bundle", ("task=bundle", "sweeps=quickstart")),
        ("paths.data", ("data=cifar10",)),
    ],
)
def test_the_field_its_value_and_the_reason(
    field: str, arguments: Sequence[str], tmp_path: Path
) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("no /proc")
    swept = any(text.startswith(f"{field}=") for text in arguments)
    given = () if swept else (f"{field}=/proc/x/1",)
    said = completed(tmp_path, *arguments, *given)
    *before, line = said.stderr.splitlines()
    assert (said.returncode, before) == (2, [])
    assert line.startswith(
        f'error: {field} = "/proc/x/1": nothing can be made in /proc (No such file or directory); '
        "name a "
    )
    assert "looking at" not in said.stdout
    assert "to train" not in said.stdout
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_command_that_only_reads_needs_no_such_folder(tmp_path: Path) -> None:
    said = completed(tmp_path, "task=runs", "paths.runs=/proc/x", "format=json")
    assert (said.returncode, json.loads(said.stdout)) == (0, [])


@pytest.mark.slow
def test_a_folder_of_data_that_takes_no_more(tmp_path: Path) -> None:
    """One that is there may be all that is needed; where it is not, this is known in time."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ceilings").touch()
    said = completed(tmp_path, "paths.data=data", "tracking=off", "trainer.progress=false")
    assert said.returncode == 2
    assert said.stderr.startswith("error: paths.data: nothing can be made in ")
    assert said.stderr.endswith(
        "/data/ceilings (Not a directory); name a folder that can be written\n"
    )
