"""Signals to stop: recorded when they arrive, obeyed where a checkpoint can be written."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Ctrl-C, a plain kill, a terminal that is closed, and the signals that SLURM sends ahead of a
preemption or time limit."""
STOPPED_EXIT_CODE = 130
"""Exit code of a process that a signal has stopped."""
STOPPED = "interrupted; the same command goes on from here"
"""What such a process says."""
REPEAT_SECONDS = 1.0
"""A SIGTERM within this time is a repetition: SLURM sends it to a step and again to its tasks."""
AHEAD = (signal.SIGUSR1, signal.SIGUSR2)
"""Those that SLURM sends ahead: a run in training goes on to its next checkpoint."""
_ASKS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""After one of them another ends a process at once. SIGHUP does not, which kernel and shell send,
nor does what SLURM sends ahead: a time limit may follow a preemption."""


def heeded(signals: tuple[signal.Signals, ...]) -> list[signal.Signals]:
    """Those of the signals that nohup has not had this process ignore."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in signals if number != signal.SIGHUP or not ignored]


class StopRequest:
    """Context that records a signal to stop; a second signal ends the process at once.

    Files are complete at any moment, so that only computing time is lost.
    """

    def __init__(
        self,
        signals: tuple[signal.Signals, ...] = STOPS,
        what_follows: str = "stopping at the next checkpoint; once more ends at once",
    ) -> None:
        self._signals, self._what_follows = signals, what_follows
        self._before: dict[signal.Signals, Any] = {}
        self.since = 0.0
        """When the last one came, by ``time.monotonic``."""
        self.noted: signal.Signals | None = None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in heeded(self._signals):
                before = signal.signal(number, self._record)
                self._before[number] = before
                outer = _noting(before)
                if outer is not None:
                    self.noted = self.noted or outer.noted  # not acted on yet
        return self

    def obey(self) -> None:
        """Stop where nothing is being trained, if that has been asked for already.

        Raises:
            KeyboardInterrupt: it has been, by another signal than those that SLURM sends ahead.
        """
        if self.noted in _ASKS:
            raise KeyboardInterrupt(self.noted.name)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _record(self, number: int, frame: FrameType | None) -> None:
        now, name = time.monotonic(), signal.Signals(number).name
        if self.noted in _ASKS:
            repeated = number == signal.SIGTERM and now - self.since < REPEAT_SECONDS
            if repeated or number == signal.SIGHUP or number in AHEAD:
                return
            # Not an exception: Lightning would catch it, and W&B would delay the end.
            why = f"{name} after {self.noted.name}"
            say(f"error: {why}: ended at once; the same command goes on from its last checkpoint")
            os._exit(STOPPED_EXIT_CODE)
        if self.noted is None and number in _ASKS:
            say(f"{name}: {self._what_follows}")
        self.noted, self.since = signal.Signals(number), now


def _noting(handler: object) -> StopRequest | None:
    """The request that a signal's handler notes it in, if it is one's."""
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, StopRequest) else None


@contextlib.contextmanager
def raise_on_stop(what_follows: str, signals: tuple[signal.Signals, ...] = _ASKS) -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` on SIGTERM and SIGHUP as on Ctrl-C; the first one prints what
    follows. After it SIGHUP, and a SIGTERM that is a repetition, change nothing."""
    since: float | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal since
        now, name = time.monotonic(), signal.Signals(number).name
        if since is not None:
            repeated = number == signal.SIGTERM and now - since < REPEAT_SECONDS
            if repeated or number == signal.SIGHUP:
                return
        else:
            say(f"{name}: {what_follows}")
        since = now
        raise KeyboardInterrupt(name)

    before = {number: signal.signal(number, stop) for number in heeded(signals)}
    for outer in map(_noting, before.values()):
        if outer is not None and outer.noted in _ASKS:
            since = outer.since  # that was the first
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(line: str) -> None:
    """Print from a signal handler, past Python's buffers, which may be in use."""
    with contextlib.suppress(OSError):  # the terminal is closed
        os.write(2, f"{line}\n".encode())
