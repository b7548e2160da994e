"""Which points are in SLURM's queue already, by what their ledger says."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vgglab.launch import slurm
from vgglab.runs import Place, RunDirectory, State, Status

job_in_the_queue: Any = getattr(  # noqa: B009
    importlib.import_module("vgglab.workflow.train_points"), "_job_in_the_queue"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run, where SLURM says of every job that it is in the queue."""
    monkeypatch.setattr(slurm, "are_queued", bool)
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return RunDirectory(tmp_path / "a-s0-0")


def queued_as(run: RunDirectory) -> str:
    found: str = job_in_the_queue(SimpleNamespace(directory=run))
    return found


@pytest.mark.parametrize(("submitted", "job"), [(True, "77"), (False, "")])
def test_of_an_attempt_a_job_counts_that_was_submitted_for_it(
    submitted: bool, job: str, run: RunDirectory
) -> None:
    status = Status()
    status.begin_attempt(Place(job="77", submitted=submitted))
    status.end_attempt(State.INTERRUPTED, "SIGINT")
    status.write(run.status)
    assert queued_as(run) == job


def test_a_pending_run_says_its_job_which_is_never_this_one(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queued_as(run) == ""
    Status(reason="SLURM job 12_0").write(run.status)
    assert queued_as(run) == "12_0"
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    assert queued_as(run) == "12_0"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    assert queued_as(run) == ""
