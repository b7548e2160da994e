"""Being asked to stop: noted when it comes, answered where a checkpoint can be written."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Ctrl-C, a kill, and what SLURM sends ahead of a preemption or a time limit."""


class StopRequest:
    """While it is entered, a signal to stop is noted; a second one raises ``KeyboardInterrupt``."""

    def __init__(self, signals: tuple[signal.Signals, ...] = STOPS) -> None:
        self._signals = signals
        self._before: dict[signal.Signals, Any] = {}
        self.noted: signal.Signals | None = None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                before = signal.signal(number, self._note)
                self._before[number] = before
                outer = getattr(before, "__self__", None)
                if isinstance(outer, StopRequest):
                    self.noted = self.noted or outer.noted  # it came before anyone could stop
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt(f"{signal.Signals(number).name} after {self.noted.name}")
        # SLURM may send one signal to the step and again to its tasks: not impatience.
        self.noted = signal.Signals(number)
