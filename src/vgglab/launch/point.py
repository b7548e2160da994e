"""The link of a point to the launcher that started it, which it must not outlive."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator

PARENT = "VGGLAB_PARENT_PID"
"""Environment variable with the launcher's process id, which the launcher sets for its points."""

LAUNCHED = "VGGLAB_LAUNCHED"
"""Environment variable with the time of the start, in seconds since the epoch.

Libraries load for seconds before an attempt begins."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def is_point() -> bool:
    """Whether this process was started by a launcher."""
    return PARENT in os.environ


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
