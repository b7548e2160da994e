"""The link of a point to the launcher that started it, which it must not outlive."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator

from vgglab.signals import StopRequest

PARENT = "VGGLAB_PARENT_PID"
"""Environment variable with the launcher's process id, which the launcher sets for its points."""

LAUNCHED = "VGGLAB_LAUNCHED"
"""Environment variable with the time of the start, in seconds since the epoch.

Libraries load for seconds before an attempt begins."""

SUBMITTED = "VGGLAB_SLURM_POINT"
"""Environment variable of a process that ``launch/slurm.py`` has had SLURM start."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def is_point() -> bool:
    """Whether this process was started by a launcher."""
    return PARENT in os.environ


def is_slurm_point() -> bool:
    """Whether this process is a point that SLURM started for ``launcher=slurm``."""
    return SUBMITTED in os.environ


def note_signals() -> None:
    """Have a point note a signal to stop that comes while it loads: ``task=train`` obeys it before
    it begins, when the config says how often SLURM may start it again."""
    if is_point() or is_slurm_point():
        StopRequest(what_follows="stopping").__enter__()


def launched() -> float | None:
    """Return when a launcher started this process, in seconds since the epoch; None without one."""
    return float(os.environ[LAUNCHED]) if LAUNCHED in os.environ else None


def die_with_parent() -> None:
    """Have Linux send SIGTERM to this process when its launcher dies, however it dies."""
    die_with(int(os.environ[PARENT]))


def die_with(parent: int) -> None:
    """Have Linux send SIGTERM to this process when the process that started it dies."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before prctl took effect
        sys.exit(128 + signal.SIGTERM)


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of a process further down whose own parent ends meanwhile."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0)
