"""Ctrl-C once and twice, SIGTERM, and parents that are killed: who is left in the process table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import SMALL, heard, wait_for

from vgglab.commands import train as train_command
from vgglab.commands.main import exit_code_of
from vgglab.config import Config

LONG = (*SMALL, "recipe.epochs=500", "trainer.log_every=1", "tracking=offline")
SLOW = (*LONG, "model.width=0.25", "recipe.batch_size=2000")
"""A step of seconds: what asks twice finds it in the middle of one."""
STUDY = ("-m", "sweeps=depth", "data=digits", "model=a", "seed=0,1", "launcher.jobs=2")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, datasets: Path) -> Iterator[Start]:
    """Starts a command that is ended with the test."""
    begun: list[subprocess.Popen[str]] = []

    def started(*overrides: str) -> subprocess.Popen[str]:
        process = heard(tmp_path, f"paths.data={datasets}", *overrides)
        begun.append(process)
        return process

    yield started
    for process in begun:
        process.kill()
        process.communicate()


def train(folder: Path, runs: int) -> Callable[[], bool]:
    """Whether so many runs have made a step."""
    return lambda: sum(p.stat().st_size > 0 for p in folder.glob("runs/*/metrics.jsonl")) >= runs


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All that a command has started: points, ranks, W&B's service."""
    return psutil.Process(process.pid).children(recursive=True)


def states(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("runs/*/status.json")]


WHERE = {"run": ((), 1), "ranks": (("trainer=ddp", "devices=2"), 1), "study": (STUDY, 2)}


def at_work(
    start: Start, kind: tuple[str, ...], where: str, folder: Path
) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A command whose runs train, and all that it has started."""
    overrides, runs = WHERE[where]
    process = start(*kind, *overrides)
    wait_for(train(folder, runs), "it trains", seconds=200)
    return process, family(process)


@pytest.mark.slow
@pytest.mark.parametrize("where", WHERE)
def test_twice_ends_it_at_once(where: str, start: Start, tmp_path: Path) -> None:
    process, children = at_work(start, SLOW, where, tmp_path)
    assert children  # W&B's service at least
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - asked < 20
    assert process.returncode == 130
    assert "once more ends" in said.splitlines()[0]
    assert said.splitlines()[-1].startswith("error: ")
    assert "the same command goes on from" in said.splitlines()[-1]
    assert not psutil.wait_procs(children, timeout=10)[1]


@pytest.mark.slow
@pytest.mark.parametrize("where", WHERE)
def test_sigterm_is_ctrl_c(where: str, start: Start, tmp_path: Path) -> None:
    process, children = at_work(start, LONG, where, tmp_path)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130
    assert said.startswith("SIGTERM: ")
    assert said.splitlines()[-1].startswith("error: interrupted")
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert {status["state"] for status in states(tmp_path)} == {"interrupted"}
    assert len(list(tmp_path.glob("runs/*/checkpoints/last.ckpt"))) == WHERE[where][1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_may_be_stopped_before_it_trains(
    number: signal.Signals,
    small_config: Config,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(train_command, "_chosen", lambda _: os.kill(os.getpid(), number))
    before = {stop: signal.signal(stop, signal.SIG_IGN) for stop in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert exit_code_of(lambda: train_command.train(small_config)) == 130
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
    assert capfd.readouterr().err.splitlines() == [
        f"{number.name}: stopping",
        "error: interrupted; the same command goes on from here",
    ]


@pytest.mark.slow
def test_sigterm_while_a_run_loads(start: Start, tmp_path: Path) -> None:
    process = start(*LONG)
    assert process.stdout is not None
    assert any("loading PyTorch" in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.startswith("SIGTERM: stopping")
    assert said.splitlines()[-1].startswith("error: interrupted")
    assert not any(status["state"] == "failed" for status in states(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 4.0])
def test_sigterm_while_a_study_begins(seconds: float, start: Start, tmp_path: Path) -> None:
    """Before its first point starts, and while points load."""
    process = start(*LONG, *STUDY)
    assert process.stdout is not None
    assert any("already done" in line for line in process.stdout)
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130
    assert said.startswith("SIGTERM: ")
    assert said.splitlines()[-1].startswith("error: interrupted")
    assert {status["state"] for status in states(tmp_path)} <= {"interrupted", "pending"}


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 4.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ranks_are_stopped_while_they_load(
    number: signal.Signals, seconds: float, start: Start, tmp_path: Path
) -> None:
    """While Python starts, and while they import."""
    process = start(*LONG, *WHERE["ranks"][0])
    wait_for(lambda: len(family(process)) == 2, "its processes have started", seconds=60)
    time.sleep(seconds)
    process.send_signal(number)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130, said
    assert said.startswith(f"{number.name}: all processes stop")
    assert said.splitlines()[-1].startswith("error: interrupted")
    assert not any(status["state"] == "failed" for status in states(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("where", WHERE)
def test_nobody_outlives_a_parent_that_is_killed(where: str, start: Start, tmp_path: Path) -> None:
    process, children = at_work(start, LONG, where, tmp_path)
    process.kill()
    process.wait()
    left = psutil.wait_procs(children, timeout=30)[1]
    assert not left, [child.cmdline() for child in left]
