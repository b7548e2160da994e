"""One run in several processes of this machine, from the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import ROOT, SMALL, Command, command_environment, completed, heard, wait_for

from vgglab.launch.ranks import error_log, has_begun, run_ranks
from vgglab.runs import RunDirectory, Status
from vgglab.runs.status import Attempt

DDP = (*SMALL, "trainer=ddp", "devices=2", "trainer.log_every=4")


def the_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def status(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((the_run(folder) / "status.json").read_text())
    return loaded


@pytest.mark.slow
def test_two_processes_then_one_that_finds_it_done(command: Command, tmp_path: Path) -> None:
    ended = command(*DDP, "tracking=offline")
    assert (ended.returncode, ended.stderr) == (0, "")
    run = the_run(tmp_path)
    assert ended.stdout.splitlines()[-1].startswith(f"{run.name}: finished; center top-1 error ")
    assert "rank 1 of 2" in (run / "train.rank1.log").read_text()
    assert len(list(run.glob("wandb/offline-run-*"))) == 1  # the first process alone has one
    (attempt,) = status(tmp_path)["history"]
    assert (attempt["devices"], attempt["nodes"], attempt["state"]) == (2, 1, "finished")
    assert json.loads((run / "result.json").read_text())["hardware"]["devices"] == 2
    # Synchronised batch norm: one device computes the same run.
    again = command(*SMALL)
    assert again.stdout.startswith(f"{run.name}: already finished; ")


@pytest.mark.slow
def test_two_processes_train_no_finished_run_anew(command: Command, tmp_path: Path) -> None:
    """Its status was damaged: it lacks its tests alone."""
    assert command(*DDP, "tracking=off").returncode == 0
    run = the_run(tmp_path)
    records = (run / "metrics.jsonl").read_bytes()
    errors = json.loads((run / "result.json").read_text())["errors"]
    (run / "status.json").write_text("{")
    again = command(*DDP, "tracking=off")
    assert again.returncode == 0, again.stderr
    assert (run / "metrics.jsonl").read_bytes() == records
    assert json.loads((run / "result.json").read_text())["errors"] == errors


@pytest.mark.slow
def test_a_shell_within_a_step_of_one_task_starts_them(datasets: Path, tmp_path: Path) -> None:
    """As of ``srun --pty bash``: it ended in a traceback, after the run's folder had begun."""
    step = {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    short = (f"paths.data={datasets}", *DDP, "recipe.epochs=1", "tracking=off")
    ended = completed(tmp_path, *short, variables=step)
    assert (ended.returncode, ended.stderr) == (0, "")
    (attempt,) = status(tmp_path)["history"]
    assert (attempt["devices"], attempt["state"]) == (2, "finished")


def test_what_a_rank_said_in_an_earlier_attempt_is_not_why_it_died_now(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    for rank in range(2):
        error_log(directory, rank).write_text("error: RuntimeError: of before\n")
    died = run_ranks([sys.executable, "-c", "raise SystemExit(3)"], directory, 2, threads=1)
    assert died is not None
    assert (died.error, str(died)) == ("", f"rank {died.rank}: exit code 3")
    said = (
        "import os, sys; print('error: of rank', os.environ['RANK'], file=sys.stderr); sys.exit(3)"
    )
    died = run_ranks([sys.executable, "-c", said], directory, 2, threads=1)
    assert died is not None
    assert died.error == f"of rank {died.rank}"


@pytest.mark.parametrize(("started", "begun"), [(100.0, True), (50.0, False), (None, False)])
def test_a_mistake_of_one_process_is_recorded_where_an_attempt_has_begun(
    started: float | None, begun: bool, tmp_path: Path
) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.path.mkdir()
    if started is not None:
        status = Status()
        status.history.append(Attempt(started=started))
        status.write(directory.status)
    assert has_begun(directory, since=60.0) is begun


def wait_until_it_trains(folder: Path) -> None:
    def trains() -> bool:
        return any(path.stat().st_size for path in folder.glob("runs/*/metrics.jsonl"))

    wait_for(trains, "it trains", seconds=90)


def ranks_of(parent: subprocess.Popen[str]) -> dict[int, psutil.Process]:
    children = psutil.Process(parent.pid).children()
    return {int(child.environ()["RANK"]): child for child in children}


@pytest.mark.slow
def test_a_killed_rank_takes_the_run_down_with_a_message(tmp_path: Path, datasets: Path) -> None:
    parent = heard(tmp_path, f"paths.data={datasets}", *DDP, "recipe.epochs=500")
    wait_until_it_trains(tmp_path)
    ranks = ranks_of(parent)
    ranks[1].send_signal(signal.SIGKILL)
    killed = time.monotonic()
    _, said = parent.communicate(timeout=60)
    assert time.monotonic() - killed < 15
    assert parent.returncode == 1
    (line,) = said.splitlines()
    assert line.startswith("error: rank 1 was killed by SIGKILL (log: ")
    assert not psutil.wait_procs(ranks.values(), timeout=5)[1]
    ended = status(tmp_path)
    assert ended["state"] == "failed"
    assert ended["reason"].startswith("rank 1 was killed by SIGKILL")
    assert ended["history"][0]["reason"] == ended["reason"]


@pytest.mark.slow
def test_ctrl_c_and_the_other_number_of_devices(
    command: Command, tmp_path: Path, datasets: Path
) -> None:
    overrides = (*SMALL, "recipe.epochs=12", "trainer.log_every=4")
    parent = heard(tmp_path, f"paths.data={datasets}", *overrides, "devices=2")
    wait_until_it_trains(tmp_path)
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == 130
    stopping, ended = said.splitlines()
    assert stopping.startswith("SIGINT: all processes stop at the next checkpoint; once more ends")
    assert ended == "error: interrupted by SIGINT; the same command goes on from here"
    assert status(tmp_path)["state"] == "interrupted"
    again = command(*overrides)
    assert again.returncode == 0, again.stderr
    history = status(tmp_path)["history"]
    assert [(a["devices"], a["state"]) for a in history] == [(2, "interrupted"), (1, "finished")]
    assert history[0]["reason"] == "SIGINT"


@pytest.mark.slow
def test_torchrun(tmp_path: Path, datasets: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    torchrun += ["--standalone", str(ROOT / "run.py"), f"paths.data={datasets}", *SMALL]
    ended = subprocess.run(
        [*torchrun, "trainer=ddp", "recipe.epochs=1"],
        cwd=tmp_path,
        env=command_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert status(tmp_path)["history"][0]["devices"] == 2


@pytest.mark.slow
def test_points_of_a_sweep_in_two_processes_each(command: Command, tmp_path: Path) -> None:
    ended = command("-m", *DDP, "seed=0,1", "recipe.epochs=1", "study.name=two", "launcher.jobs=1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for path in tmp_path.glob("runs/*/status.json"):
        (attempt,) = json.loads(path.read_text())["history"]
        assert (attempt["devices"], attempt["state"]) == (2, "finished")
    assert len(list(tmp_path.glob("runs/*/train.rank1.log"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "variables", "message"),
    [
        (["nodes=2"], {}, "nodes = 2: start it with launcher=slurm, srun or torchrun"),
        (["devices=200"], {}, "recipe.batch_size = 128: must be at least devices x nodes x"),
        (
            ["devices=3"],
            {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"},
            "devices = 3, nodes = 1: torchrun started 2 processes on each of 1 nodes",
        ),
    ],
)
def test_mistakes(
    overrides: list[str], variables: dict[str, str], message: str, tmp_path: Path
) -> None:
    ended = completed(tmp_path, *SMALL, *overrides, variables=variables)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())
