"""A study that was typed on the command line is reported, listed and planned by its name."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from running import SMALL, Command


@pytest.mark.slow
def test_a_study_without_a_sweep_file_is_found_by_its_name(
    command: Command, tmp_path: Path
) -> None:
    first = ("study.name=mine", "paths.studies=first")
    launched = command("-m", "model=a,b", *first, *SMALL, "recipe.epochs=1")
    assert launched.returncode == 0, launched.stderr
    (tmp_path / "first").rename(tmp_path / "studies")  # it is where it was found, not where it was
    other = command(*SMALL, "recipe.epochs=1", "seed=7")
    assert other.returncode == 0, other.stderr
    named = ("study.name=mine", "tracking=off")
    reported = command("task=report", *named)
    assert reported.returncode == 0, reported.stderr
    assert "2 of 2 points finished" in reported.stdout
    assert not (tmp_path / "first").exists()
    listed = list(csv.DictReader(io.StringIO(command("task=runs", *named, "format=csv").stdout)))
    assert {row["run"][0] for row in listed} == {"a", "b"}
    assert len(listed) == 2 < len(list((tmp_path / "runs").iterdir()))
    plan = json.loads(command("task=plan", *named, "format=json").stdout)
    assert plan["waiting"] == []
    # What the command says itself comes after what the study was launched with.
    plan = json.loads(command("task=plan", *named, "model=c", "format=json").stdout)
    assert len(plan["waiting"]) == 1


@pytest.mark.slow
def test_a_study_with_a_folder_of_runs_of_its_own_is_tested_by_its_name(
    command: Command, tmp_path: Path
) -> None:
    own = ("study.name=kept", "paths.runs=kept")
    launched = command("-m", "model=a", *own, *SMALL, "recipe.epochs=1")
    assert launched.returncode == 0, launched.stderr
    (run,) = (tmp_path / "kept").iterdir()
    how = ("task=evaluate", "tracking=off", "format=json")
    for named in ("study.name=kept", f"run=kept/{run.name}"):
        ended = command(*how, named)
        assert ended.returncode == 0, ended.stderr
        assert [row["run"] for row in json.loads(ended.stdout)] == [run.name]
        assert f"{run.name}: was tested before under center" in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_a_name_that_no_study_has_is_refused(command: Command) -> None:
    ended = command("task=report", "study.name=nothing")
    assert ended.returncode == 2
    assert "study.name=nothing: no study of this name was launched in studies" in ended.stderr
