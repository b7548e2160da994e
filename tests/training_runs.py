"""What tests of training share: a sink in memory, run folders, weights compared bit by bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from vgglab.runs import Record, RunDirectory


class MemorySink:
    """Keeps what it is handed; sends this process a signal at one of the records."""

    def __init__(self, signal_at_step: int | None = None) -> None:
        self.history: list[Record] = []
        self.records: list[Record] = []
        self._signal_at = signal_at_step

    def start(self, history: Sequence[Record]) -> None:
        self.history = list(history)

    def record(self, record: Record) -> None:
        self.records.append(record)
        if record["step"] == self._signal_at:
            os.kill(os.getpid(), signal.SIGTERM)


class Killed(RuntimeError):
    """Stands for a kill: nothing tidies up."""


class KillAt(MemorySink):
    """Ends the run at one of its records."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def record(self, record: Record) -> None:
        if record["step"] == self._step:
            raise Killed


def directory(tmp_path: Path, name: str = "run") -> RunDirectory:
    made = RunDirectory(tmp_path / name)
    made.path.mkdir(exist_ok=True)
    return made


def weights(run: RunDirectory) -> dict[str, Any]:
    stored = torch.load(run.last_checkpoint, weights_only=True)
    return {"optimizer": stored["optimizer_states"], **stored["state_dict"]}


def assert_same_bits(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same_bits(one[key], other[key])
    elif isinstance(one, list):
        for left, right in zip(one, other, strict=True):
            assert_same_bits(left, right)
    else:
        assert one == other


VOLATILE = ("time", "speed/")


def steady(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Records without what a clock decides."""
    return [
        {key: value for key, value in record.items() if not key.startswith(VOLATILE)}
        for record in records
    ]
