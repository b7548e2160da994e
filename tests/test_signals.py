"""A signal to stop, seen by a process that knows no torch."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

NOTING = """
import os, signal, sys, time
from vgglab.signals import StopRequest
with StopRequest() as request:
    for name in sys.argv[1:]:
        os.kill(os.getpid(), signal.Signals[name]) if name != "wait" else time.sleep(1.1)
    print(request.noted.name)
"""
RAISING = """
import os, signal, sys
from vgglab.signals import raise_on_stop
for name in sys.argv[1:]:
    try:
        with raise_on_stop("what follows"):
            os.kill(os.getpid(), signal.Signals[name])
    except KeyboardInterrupt as error:
        print(error)
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""


def run(code: str, *signals: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *signals], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "sent",
    [
        ("SIGINT",),
        ("SIGTERM",),
        ("SIGTERM", "SIGTERM"),
        ("SIGUSR1", "SIGTERM"),
        ("SIGTERM", "wait", "SIGUSR2"),
    ],
)
def test_the_first_is_noted_and_says_so(sent: tuple[str, ...]) -> None:
    """SLURM sends SIGTERM to a step and again to its tasks, SIGUSR1 ahead of it, and SIGUSR2 ahead
    of a time limit while the checkpoint for a preemption is being written."""
    noted = "SIGTERM" if "SIGTERM" in sent else sent[-1]
    ended = run(NOTING, *sent)
    assert (ended.returncode, ended.stdout) == (0, f"{noted}\n")
    said = f"{noted}: stopping at the next checkpoint; once more ends at once\n"
    assert ended.stderr == ("" if "SIGUSR1" in sent else said)


@pytest.mark.parametrize("sent", [("SIGINT", "SIGINT"), ("SIGTERM", "wait", "SIGTERM")])
def test_the_second_ends_it_at_once(sent: tuple[str, ...]) -> None:
    ended = run(NOTING, *sent)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.splitlines()[-1] == (
        f"error: {sent[0]} after {sent[0]}: ended at once; "
        "the same command goes on from its last checkpoint"
    )


def test_a_launcher_takes_sigterm_as_ctrl_c() -> None:
    ended = run(RAISING, "SIGTERM", "SIGINT")
    assert (ended.returncode, ended.stdout) == (0, "SIGTERM\nSIGINT\n")
    assert ended.stderr == "SIGTERM: what follows\nSIGINT: what follows\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


REPEATED = """
import os, signal, sys, time
from vgglab.signals import raise_on_stop
with raise_on_stop("what follows"):
    for name in sys.argv[1:]:
        try:
            os.kill(os.getpid(), signal.Signals[name]) if name != "wait" else time.sleep(1.1)
        except KeyboardInterrupt as error:
            print(error)
"""


def test_a_launcher_that_is_winding_up_hears_a_repetition_no_more() -> None:
    ended = run(REPEATED, "SIGTERM", "SIGTERM", "SIGHUP", "SIGINT", "wait", "SIGTERM")
    assert (ended.returncode, ended.stdout) == (0, "SIGTERM\nSIGINT\nSIGTERM\n")
    assert ended.stderr == "SIGTERM: what follows\n"
