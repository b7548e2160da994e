"""W&B's own variables mean what they mean to W&B; an agent gets the run that it asked for alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from offline_file import of_kind, offline_file
from running import SMALL, completed

from vgglab.config import wandb_variables
from vgglab.config.parse import ConfigError, parse
from vgglab.workflow.resolve import resolve

TRACKED = (*(o for o in SMALL if o != "tracking=off"), "recipe.epochs=1", "tracking.code=false")
AGENT = {"WANDB_SWEEP_ID": "abcd1234", "WANDB_RUN_ID": "agents-run", "WANDB_PROJECT": "agents"}


def wandb_ids(runs: Path) -> dict[str, str]:
    """A run's folder -> the id under which W&B keeps it."""
    return {
        path.parts[-3]: path.name.split("-", 3)[3] for path in runs.glob("*/wandb/offline-run-*")
    }


def sweep_of(run: Path) -> str:
    (record,) = of_kind(offline_file(run), "run")
    return str(record.sweep_id)


@pytest.fixture(scope="module")
def variables_run(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> tuple[Any, str]:
    """What W&B's file says of a run under its variables, and what was said on the screen."""
    folder = tmp_path_factory.mktemp("variables")
    variables = {
        "WANDB_PROJECT": "mine",
        "WANDB_ENTITY": "team",
        "WANDB_MODE": "dryrun",
        "WANDB_TAGS": "one,two",
        "WANDB_NOTES": "a try",
        "WANDB_RUN_GROUP": "together",
        "WANDB_RUN_ID": "chosen",
    }
    ended = completed(
        folder, f"paths.data={datasets}", *TRACKED, "tracking.entity=own", variables=variables
    )
    assert ended.returncode == 0, ended.stderr
    (record,) = of_kind(offline_file(folder / "runs"), "run")
    return record, ended.stderr


@pytest.mark.slow
def test_variables_of_wandb_count_as_for_wandb(variables_run: tuple[Any, str]) -> None:
    record, _ = variables_run
    assert (record.project, record.entity, record.run_group) == ("mine", "own", "together")
    assert {"one", "two", "a"} <= set(record.tags)
    assert record.notes.startswith("a try\n\npython run.py")
    assert record.run_id != "chosen"


@pytest.mark.slow
def test_it_is_said_which_variable_counts(variables_run: tuple[Any, str]) -> None:
    said = variables_run[1].splitlines()
    assert "note: WANDB_PROJECT=mine" in said
    assert "note: tracking.entity=own counts, not WANDB_ENTITY=team" in said
    assert "note: WANDB_RUN_ID counts for nothing: a run's id is its folder's name" in said


def test_a_disabled_wandb_is_off_and_the_command_line_wins(tmp_path: Path) -> None:
    shown = ("--cfg", "job", "--package", "tracking")
    for variables, overrides, mode in (
        ({"WANDB_MODE": "disabled"}, (), "mode: 'off'"),
        ({"WANDB_MODE": "online"}, (), "mode: online"),
        ({"WANDB_MODE": "online"}, ("tracking=off",), "mode: 'off'"),
        ({}, (), "mode: offline"),
    ):
        ended = completed(tmp_path, *shown, *overrides, variables=variables)
        assert mode in ended.stdout.splitlines(), (variables, ended)


def test_a_mode_that_wandb_does_not_know_is_refused(tmp_path: Path) -> None:
    ended = completed(tmp_path, "model=a", variables={"WANDB_MODE": "sometimes"})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "error: WANDB_MODE = sometimes: must be one of online, offline, dryrun, disabled"
    ]
    with pytest.raises(ConfigError):
        wandb_variables.notes([], {"WANDB_MODE": "sometimes"})


@pytest.mark.parametrize(("value", "field", "threads"), [("1", 0, 1), ("3,2", 0, 3), ("1", 2, 2)])
def test_threads_are_as_many_as_openmp_is_told(
    value: str, field: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    trainer = {"accelerator": "cpu", "threads": field}
    assert resolve(parse({"trainer": trainer})).trainer.threads == threads


@pytest.mark.parametrize("value", ["", "many", "0"])
def test_threads_are_the_share_of_the_cores_where_openmp_is_told_nothing(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    monkeypatch.setattr("vgglab.workflow.resolve.cores", lambda: 6)
    trainer = {"accelerator": "cpu"}
    assert resolve(parse({"trainer": trainer, "devices": 2})).trainer.threads == 3


@pytest.mark.slow
def test_a_parent_is_not_the_agents_run(tmp_path: Path, datasets: Path) -> None:
    ended = completed(
        tmp_path,
        f"paths.data={datasets}", *TRACKED, "model=d", "init=pretrained_a", "tracking=offline",
        variables=AGENT,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = wandb_ids(tmp_path / "runs")
    (parent,) = (run for run in found if run.startswith("a-"))
    (child,) = (run for run in found if run.startswith("d-"))
    assert found == {parent: parent, child: "agents-run"}
    assert sweep_of(tmp_path / "runs" / child) == AGENT["WANDB_SWEEP_ID"]
    assert not sweep_of(tmp_path / "runs" / parent)


@pytest.mark.slow
def test_points_of_a_study_are_no_agents_run(tmp_path: Path, datasets: Path) -> None:
    ended = completed(
        tmp_path,
        f"paths.data={datasets}", *TRACKED, "-m", "seed=0,1", "tracking=offline", "claims=none",
        variables=AGENT,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = wandb_ids(tmp_path / "runs")
    assert len(found) == 2
    assert all(run == known for run, known in found.items())
    assert not any(sweep_of(tmp_path / "runs" / run) for run in found)
