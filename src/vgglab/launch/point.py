"""What a point of a sweep knows of the sweep: that it has a parent, and must not outlive it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT = "VGGLAB_PARENT_PID"
"""Environment variable that the launcher sets for its points."""

LAUNCHED = "VGGLAB_LAUNCHED"
"""When it did so, seconds since the epoch: libraries load for seconds before an attempt begins."""

_PR_SET_PDEATHSIG = 1


def is_point() -> bool:
    """Whether this process was started by a launcher."""
    return PARENT in os.environ


def launched() -> float | None:
    """When a launcher started this process; None where none did."""
    return float(os.environ[LAUNCHED]) if LAUNCHED in os.environ else None


def die_with_parent() -> None:
    """Ask Linux to send SIGTERM when the launcher dies, however it dies."""
    die_with(int(os.environ[PARENT]))


def die_with(parent: int) -> None:
    """Ask Linux to send SIGTERM when the process that started this one dies, however it dies."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(128 + signal.SIGTERM)
