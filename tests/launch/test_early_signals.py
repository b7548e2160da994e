"""A point that is asked to stop while it still loads Hydra and other libraries."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from running import SMALL, command_environment, command_line

from vgglab.commands import train
from vgglab.config import Config
from vgglab.signals import AHEAD, StopRequest
from vgglab.workflow.pretraining import Stage, stages_of

POINTS = {"slurm": {"VGGLAB_SLURM_POINT": "1"}, "pool": {"VGGLAB_PARENT_PID": str(os.getpid())}}
"""What a point's launcher puts into its environment."""

ASKED = """
import os, signal, sys
os.kill(os.getpid(), signal.Signals[os.environ["SENT"]])
{then}
del sys.modules["hydra"]
sys.path.remove(os.path.dirname(__file__))
import hydra
"""
"""A module in Hydra's place: whoever imports it is sent a signal, and then gets Hydra."""


def loaded(
    folder: Path, sent: str, variables: dict[str, str], then: str = ""
) -> subprocess.CompletedProcess[str]:
    """A command that is sent a signal while it loads.

    Args:
        folder: where the command is typed.
        sent: name of the signal.
        variables: of its environment.
        then: Python that follows on the signal.
    """
    first = folder / "first"
    first.mkdir()
    (first / "hydra.py").write_text(ASKED.format(then=then))
    path = os.pathsep.join([str(first), os.environ.get("PYTHONPATH", "")])
    data = f"paths.data={folder / 'data'}"
    return subprocess.run(
        command_line(*SMALL, data),
        cwd=folder,
        env=command_environment() | {"SENT": sent, "PYTHONPATH": path} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("point", POINTS)
def test_it_notes_the_signal_and_goes_on_loading(point: str, tmp_path: Path) -> None:
    ended = loaded(tmp_path, "SIGTERM", POINTS[point], then="sys.exit(7)")
    assert (ended.returncode, ended.stderr) == (7, "SIGTERM: stopping\n")


@pytest.mark.slow
@pytest.mark.parametrize("sent", ["SIGTERM", "SIGINT"])
def test_a_point_of_a_pool_ends_as_it_would_later(sent: str, tmp_path: Path) -> None:
    ended = loaded(tmp_path, sent, POINTS["pool"])
    assert ended.returncode == 130
    assert ended.stderr.splitlines() == [
        f"{sent}: stopping",
        "error: interrupted; the same command goes on from here",
    ]


@pytest.mark.slow
def test_a_point_of_slurm_goes_back_into_the_queue(tmp_path: Path) -> None:
    for name, line in {"squeue": "echo RUNNING", "scontrol": "echo $@ > $0.asked"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    of_slurm = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "12"}
    ended = loaded(tmp_path, "SIGTERM", POINTS["slurm"] | of_slurm)
    assert (ended.returncode, ended.stdout) == (130, "requeued: True\n"), ended.stderr
    assert (tmp_path / "scontrol.asked").read_text() == "requeue 12\n"


def asked_early(
    number: signal.Signals, config: Config, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], bool]:
    """Train after a signal that came before.

    Returns:
        How often SLURM was asked to start this point again, and whether it began to train.
    """
    times: list[str] = []
    begun = threading.Event()

    def note(config: Config) -> list[Stage]:
        begun.set()
        return list(stages_of(config))

    def requeue() -> bool:
        os.kill(os.getpid(), signal.SIGTERM)  # SLURM's repetition
        times.append("once")
        return True

    monkeypatch.setenv("VGGLAB_SLURM_POINT", "1")
    monkeypatch.setattr(train, "requeue", requeue)
    monkeypatch.setattr(train, "_chosen", note)
    with StopRequest():
        os.kill(os.getpid(), number)
        with contextlib.suppress(KeyboardInterrupt):
            train.train(config)
    return times, begun.is_set()


def test_it_trains_nothing_and_hears_a_repetition_no_more(
    small_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked_early(signal.SIGTERM, small_config, monkeypatch) == (["once"], False)


@pytest.mark.parametrize("number", AHEAD)
def test_what_slurm_sends_ahead_is_for_the_first_checkpoint(
    number: signal.Signals, small_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[StopRequest] = []
    monkeypatch.setattr(train, "still_to_train", lambda stages: stages)
    monkeypatch.setattr(train, "_announced", lambda _: threading.Lock())
    monkeypatch.setattr(train, "is_asked_for", lambda *_: True)
    monkeypatch.setattr(train, "_train_claimed", lambda _, request: heard.append(request))
    assert asked_early(number, small_config, monkeypatch) == ([], True)
    assert [request.noted for request in heard] == [number]
