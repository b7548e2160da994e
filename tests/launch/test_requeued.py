"""A point of SLURM's that a signal stops before its attempt is put back into the queue."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import piped

from vgglab.commands import train
from vgglab.config import Config
from vgglab.runs import RunDirectory
from vgglab.signals import AHEAD, StopRequest, raise_on_stop

requeued: Any = getattr(train, "_requeued")  # noqa: B009
claimed: Any = getattr(train, "_claimed")  # noqa: B009


HOLDER = """
import sys
from pathlib import Path
from vgglab.runs import RunDirectory
with RunDirectory(Path(sys.argv[1])).claim():
    print("claimed", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held(run: RunDirectory) -> Iterator[None]:
    """Another process trains the run."""
    process = piped(HOLDER, run.path)
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    try:
        yield
    finally:
        process.communicate()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often SLURM is asked to start this point again."""
    times: list[str] = []

    def noted() -> bool:
        times.append("once")
        return True

    monkeypatch.setenv("VGGLAB_SLURM_POINT", "1")
    monkeypatch.setattr(train, "requeue", noted)
    monkeypatch.setattr(train, "world_of", lambda _: None)
    return times


def wait_as_a_point(config: Config, run: RunDirectory, number: signal.Signals) -> None:
    """Wait for a run that another process trains, until this signal."""
    timer = threading.Timer(0.3, os.kill, (os.getpid(), number))
    with raise_on_stop("stopping"), StopRequest(AHEAD) as request, requeued(config):
        timer.start()
        with claimed(run, request):
            pass


@pytest.mark.parametrize("number", [*AHEAD, signal.SIGTERM])
def test_one_that_waits_goes_back_into_the_queue(
    number: signal.Signals, asked: list[str], small_config: Config, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "r")
    with held(run), pytest.raises(KeyboardInterrupt, match=number.name):
        wait_as_a_point(small_config, run, number)
    assert len(asked) == 1


def test_it_does_so_a_number_of_times(
    asked: list[str], small_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    run = RunDirectory(tmp_path / "r")
    for most, count in ((3, 0), (4, 1)):
        launcher = dataclasses.replace(small_config.launcher, max_attempts=most)
        config = dataclasses.replace(small_config, launcher=launcher)
        with held(run), pytest.raises(KeyboardInterrupt):
            wait_as_a_point(config, run, signal.SIGUSR2)
        assert len(asked) == count


def test_a_signal_before_the_waiting_ends_it(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "r")
    with StopRequest(AHEAD) as request:
        os.kill(os.getpid(), signal.SIGUSR1)
        with held(run), pytest.raises(KeyboardInterrupt):
            claimed(run, request).__enter__()
        with claimed(run, request):  # nothing is waited for: the attempt itself stops
            assert (run.path / ".lock").exists()
