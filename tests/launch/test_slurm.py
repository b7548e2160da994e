"""A study on a real SLURM of one node: submitted, interrupted, requeued, resumed, moved."""

from __future__ import annotations

import functools
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import edited_checkout
import pandas as pd
import pytest
import running
import slurm_node
from edited_checkout import AS_LAUNCHED
from running import SMALL, command_environment, completed, started

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(slurm_node.why_not()), reason=slurm_node.why_not() or "it is here"),
]

wait_for = functools.partial(running.wait_for, seconds=200, every=0.2)
"""Each look asks SLURM, or reads what it runs."""

POINT = (*SMALL, "trainer.accelerator=cpu", "trainer.log_every=2")
STUDY = ("-m", "study.name=moved", "model=a", "seed=0,1", "recipe.epochs=10")
SLURM = ("launcher=slurm", "devices=2", "launcher.minutes=30", "launcher.partition=main")


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The variables with which SLURM's commands find our own."""
    pytest.importorskip("submitit", reason="needs hydra-submitit-launcher")
    # Not pytest's folder, which munge's clients could not enter.
    folder = Path(tempfile.mkdtemp(prefix="vgglab-slurm-"))
    try:
        yield command_environment() | slurm_node.start(folder)
    finally:
        slurm_node.stop(folder)
        shutil.rmtree(folder)


@pytest.fixture
def run(cluster: dict[str, str], tmp_path: Path, datasets: Path) -> Callable[..., str]:
    """``python run.py ...`` where SLURM is; what it said."""

    def command(*overrides: str, code: int = 0) -> str:
        here = f"paths.data={datasets}"
        ended = completed(tmp_path, here, *overrides, variables=cluster, timeout=300)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return command


def statuses(folder: Path) -> dict[int, dict[str, Any]]:
    """Seed -> ``status.json``."""
    found = {}
    for path in folder.glob("runs/*/status.json"):
        found[int(path.parent.name.split("-s")[1][0])] = json.loads(path.read_text())
    return found


def slurm(cluster: dict[str, str], *command: str) -> str:
    ended = subprocess.run(command, env=cluster, capture_output=True, text=True, check=True)
    return ended.stdout


def job_of(text: str, seed: int) -> str:
    """The number of the job that a submission announced."""
    (line,) = [part for part in text.splitlines() if f"-s{seed}-" in part and "SLURM job" in part]
    return line.rpartition(" ")[2]


def trains(folder: Path, seed: int, attempts: int = 1) -> bool:
    """Whether a run has trained an epoch in this attempt."""
    status = statuses(folder).get(seed, {})
    if status.get("state") != "running" or status["attempts"] != attempts:
        return False
    return bool(status["epoch"] > status["history"][-1]["from_epoch"])


def has_state(folder: Path, seed: int, state: str) -> bool:
    return bool(statuses(folder)[seed]["state"] == state)


def start_now(cluster: dict[str, str], job: str) -> None:
    """A requeued job waits for two minutes: not in a test."""
    state = ["squeue", "--noheader", "--jobs", job, "--format", "%T"]
    wait_for(lambda: slurm(cluster, *state).strip() == "PENDING", f"{job} is requeued")
    slurm(cluster, "scontrol", "update", f"JobId={job}", "StartTime=now")


def errors(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "studies" / "moved" / "results.csv")
    return table[[name for name in table.columns if "error" in name or name in ("model", "seed")]]


def test_a_study_with_a_preempted_point_equals_the_undisturbed_one(
    cluster: dict[str, str], run: Callable[..., str], tmp_path: Path, datasets: Path
) -> None:
    said = run(*POINT, *STUDY, *SLURM, "launcher.wait=false")
    assert "2 points, 0 already done" in said
    job = job_of(said, seed=1)
    wait_for(lambda: trains(tmp_path, 1), "the point trains")
    slurm(cluster, "scancel", "--signal=USR1", job)
    wait_for(lambda: has_state(tmp_path, 1, "interrupted"), "it is interrupted")
    ledger = run("task=runs")
    assert "SIGUSR1" in ledger
    print(slurm(cluster, "squeue"), ledger, sep="\n")
    start_now(cluster, job)
    wait_for(
        lambda: {s["state"] for s in statuses(tmp_path).values()} == {"finished"}, "all is done"
    )
    print(run("task=runs"))
    first, second = statuses(tmp_path)[1]["history"]
    assert [first["state"], second["state"]] == ["interrupted", "finished"]
    assert (first["job"], second["job"], second["devices"]) == (job, job, 2)
    assert statuses(tmp_path)[0]["attempts"] == 1
    assert "2 points, 2 already done" in run(*POINT, *STUDY, *SLURM)

    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    alone = completed(undisturbed, f"paths.data={datasets}", *POINT, *STUDY, "devices=2")
    assert alone.returncode == 0, alone.stderr
    print(errors(tmp_path), errors(undisturbed), sep="\n")
    assert errors(tmp_path).equals(errors(undisturbed))


def test_waiting_for_it_ends_with_the_report(run: Callable[..., str], tmp_path: Path) -> None:
    said = run(*POINT, *STUDY, *SLURM, "recipe.epochs=1")
    assert said.count(": finished, validation error") == 2
    assert (tmp_path / "studies" / "moved" / "report.html").exists()


def test_interrupted_too_often_is_failed(
    cluster: dict[str, str], run: Callable[..., str], tmp_path: Path
) -> None:
    overrides = (*POINT, *STUDY, *SLURM, "seed=0", "recipe.epochs=500", "launcher.wait=false")
    job = job_of(run(*overrides, "launcher.max_attempts=2"), seed=0)
    for attempt, number in ((1, "USR1"), (2, "TERM")):
        wait_for(functools.partial(trains, tmp_path, 0, attempt), f"attempt {attempt} trains")
        slurm(cluster, "scancel", f"--signal={number}", job)
        ended = "interrupted" if attempt == 1 else "failed"
        wait_for(functools.partial(has_state, tmp_path, 0, ended), f"it is {ended}")
        if attempt == 1:
            start_now(cluster, job)
    status = statuses(tmp_path)[0]
    assert status["reason"] == "interrupted 2 times (launcher.max_attempts): SIGTERM"
    assert [a["state"] for a in status["history"]] == ["interrupted", "failed"]
    wait_for(lambda: job not in slurm(cluster, "squeue"), "the job has left the queue")


def test_a_cancelled_point_is_not_requeued(
    cluster: dict[str, str], run: Callable[..., str], tmp_path: Path
) -> None:
    overrides = (*POINT, *STUDY, *SLURM, "seed=0", "recipe.epochs=500", "launcher.wait=false")
    job = job_of(run(*overrides), seed=0)
    wait_for(lambda: trains(tmp_path, 0), "it trains")
    slurm(cluster, "scancel", job)
    wait_for(lambda: has_state(tmp_path, 0, "interrupted"), "it is interrupted")
    wait_for(lambda: job not in slurm(cluster, "squeue"), "the job has left the queue")


def test_begun_here_and_finished_by_slurm(
    run: Callable[..., str], tmp_path: Path, datasets: Path
) -> None:
    point = (*POINT, "study.name=moved", "model=a", "seed=0", "recipe.epochs=10")
    here = started(tmp_path, f"paths.data={datasets}", *point)
    wait_for(lambda: trains(tmp_path, 0), "it trains here")
    here.send_signal(signal.SIGINT)
    assert here.wait(timeout=60) == 130
    run("-m", *point, *SLURM)
    history = statuses(tmp_path)[0]["history"]
    assert [(a["devices"], bool(a["job"]), a["state"]) for a in history] == [
        (1, False, "interrupted"),
        (2, True, "finished"),
    ]
    assert 0 < history[1]["from_epoch"] < history[1]["to_epoch"] == 10


LOOKED = (
    "-m",
    "study.name=moved",
    "study.looks=[2,3]",
    "model=a",
    "seed=range(3)",
    "recipe.epochs=1",
    "recipe.batch_size=32",
    "recipe.learning_rate=0.05,0.04",
    "claims=none",
    "+claims={alike: {statement: of two rates, direction: equal, margin: 0.001, "
    "margin_reason: too small to be shown, "
    "compare: [{recipe.learning_rate: 0.05}, {recipe.learning_rate: 0.04}]}}",
)
"""Two rates that learn alike: the claim stays open over both looks."""


def test_looks_are_submitted_one_after_the_other(run: Callable[..., str], tmp_path: Path) -> None:
    overrides = (*POINT, *LOOKED, "launcher=slurm", "launcher.partition=main")
    said = run(*overrides, "launcher.wait=false")
    assert "look 1 of 2: 2 seeds, 4 points to train" in said
    assert said.count(": SLURM job ") == 4
    again = run(*overrides, "launcher.wait=false")
    if "look 2 of 2" not in again:  # not over yet: what is in the queue is not submitted twice
        assert ": SLURM job " not in again
        assert "in the queue already" in again
    said = run(*overrides)
    # On a slow machine the first look had ended by the second command.
    assert "look 2 of 2: 3 seeds, 2 points to train" in again + said
    assert "6 of 6 runs used: the looks are over, open: alike" in said
    attempts = [json.loads(p.read_text())["attempts"] for p in tmp_path.glob("runs/*/status.json")]
    assert attempts == [1] * 6
    lines = (tmp_path / "studies" / "moved" / "looks.jsonl").read_text().splitlines()
    assert [json.loads(line)["look"] for line in lines] == [1, 2]


def test_a_job_in_the_queue_runs_from_the_source_that_it_was_submitted_with(
    cluster: dict[str, str], tmp_path: Path, datasets: Path
) -> None:
    root, folder = edited_checkout.make(tmp_path / "checkout"), tmp_path / "here"
    folder.mkdir()
    fixed = [text for text in POINT if not text.startswith("recipe.")]
    study = ("-m", "study.name=moved", "seed=0,1", *fixed, "launcher=slurm", "launcher.wait=false")
    held = "+hydra.launcher.additional_parameters.hold=true"
    mine = ("--config-dir", str(root / "mine"), "experiments=short", f"paths.data={datasets}")
    submitted = subprocess.run(
        [sys.executable, str(root / "run.py"), *mine, *study, "devices=1", held],
        cwd=folder,
        env=cluster | {"PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    print(slurm(cluster, "squeue"))
    assert {status["state"] for status in statuses(folder).values()} == {"pending"}
    shutil.rmtree(root)  # whatever becomes of the checkout meanwhile
    array = job_of(submitted.stdout, seed=0).partition("_")[0]
    slurm(cluster, "scontrol", "release", array)
    wait_for(lambda: array not in slurm(cluster, "squeue"), "the jobs have left the queue")
    found = statuses(folder)
    assert [found[seed]["reason"] for seed in (0, 1)] == [AS_LAUNCHED] * 2
    assert {found[seed]["history"][0]["job"].partition("_")[0] for seed in (0, 1)} == {array}
