"""The state of a run, who works on it and since when."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from vgglab.runs.atomic import as_json, write_json
from vgglab.runs.damage import DamagedFile, read_object, say_once


class State(StrEnum):
    """The life of a run. Diverged and untrainable are outcomes, failed and interrupted are not.

    ``UNNEEDED`` is never written: a study says it of a pending run whose net it has dropped.
    """

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    DIVERGED = "diverged"
    UNTRAINABLE = "untrainable"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    UNNEEDED = "not needed"

    @property
    def is_outcome(self) -> bool:
        """Whether nothing is left to train."""
        return self in (State.FINISHED, State.DIVERGED, State.UNTRAINABLE)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an attempt computes, as the record keeps it."""

    accelerator: str = ""
    devices: int = 1
    nodes: int = 1
    job: str = ""
    """SLURM's number of the job, if it is one."""
    submitted: bool = False
    """Whether the job is of this run alone, and none that a user has put other commands into."""
    launched: float | None = None
    """When a launcher started the process; None where it was typed."""


@dataclass(kw_only=True)
class Attempt:
    """One attempt at a run: where, from and to which time and epoch, how it ended and why."""

    host: str = ""
    accelerator: str = ""
    devices: int = 1
    nodes: int = 1
    job: str = ""
    submitted: bool = False
    launched: float | None = None
    started: float
    ended: float | None = None
    """None while it goes on, and for ever if it was killed."""
    from_epoch: int = 0
    to_epoch: int = 0
    state: State = State.RUNNING
    reason: str = ""
    commit: str = ""
    source: str = ""

    def end(self, state: State, reason: str, *, at: float, epoch: int) -> None:
        """Write down how it ended.

        Args:
            state: of the run from then on.
            reason: in words; empty where the state says it all.
            at: seconds since the epoch.
            epoch: epochs of the run that are done.
        """
        self.state, self.reason, self.ended, self.to_epoch = state, reason, at, epoch


@dataclass(kw_only=True)
class Status:
    """Contents of ``status.json``. Times are seconds since the epoch."""

    state: State = State.PENDING
    reason: str = ""
    started: float = 0.0
    """When the first attempt began."""
    heartbeat: float = 0.0
    """The last sign of life of a process that worked on it; nobody else's writing is one."""
    attempts: int = 0
    epoch: int = 0
    """Epochs done."""
    epochs: int = 0
    """Epochs asked for."""
    validation_error: float | None = None
    """Top-1, percent, of the last epoch."""
    host: str = ""
    pid: int = 0
    commit: str = ""
    source: str = ""
    """Hash of the source files that compute."""
    versions: dict[str, str] = field(default_factory=dict)
    command: str = ""
    """That began the last attempt, to be pasted into a shell."""
    parent: str = ""
    """Id of the run whose weights this one starts from."""
    data_fingerprint: str = ""
    """Of its data, of which its id is made; runs of before 28 November 2026 do not say it."""
    disk_bytes: int | None = None
    """Of its folder when its last attempt ended, or when it was pruned."""
    history: list[Attempt] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Status:
        """The status in a file; ``pending`` where there is none yet.

        ``interrupted`` where the file is damaged, which is said: what the run computed is in other
        files, and it goes on from there.
        """
        try:
            return cls._of(path)
        except DamagedFile as error:
            say_once(error, "its run counts as interrupted")
            return cls(state=State.INTERRUPTED, reason=f"{path.name} is damaged")

    @classmethod
    def _of(cls, path: Path) -> Status:
        stored = read_object(path)
        if stored is None:
            return cls()
        try:
            history = [Attempt(**_known(Attempt, attempt)) for attempt in stored.pop("history", [])]
            return cls(**_known(cls, stored), history=history)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedFile(path, error) from error

    def write(self, path: Path) -> None:
        """Replace the file in one step."""
        write_json(path, dataclasses.asdict(self))

    def write_over(self, path: Path) -> None:
        """Write into the file that is there, on a disk that takes no more files."""
        with path.open("r+", encoding="utf-8") as file:
            file.write(as_json(dataclasses.asdict(self)))
            file.truncate()

    def begin_attempt(self, place: Place | None = None) -> None:
        """Mark that this process now works on the run."""
        self.note_end(State.INTERRUPTED, self.reason or "died")
        now = self.heartbeat = time.time()
        self.started = self.started or now
        self.attempts += 1
        self.state, self.reason = State.RUNNING, ""
        self.host, self.pid = platform.node(), os.getpid()
        where = dataclasses.asdict(place or Place())
        attempt = Attempt(**where, host=self.host, started=now)
        attempt.from_epoch = attempt.to_epoch = self.epoch
        self.history.append(attempt)

    def note_code(self, commit: str, source: str, versions: dict[str, str]) -> None:
        """Write down what this attempt is computed by.

        Args:
            commit: of the checkout; empty outside of one.
            source: hash of the source files that compute.
            versions: library -> version.
        """
        self.commit, self.source, self.versions = commit, source, versions
        if self.history:
            self.history[-1].commit, self.history[-1].source = commit, source

    def end_attempt(self, state: State, reason: str) -> None:
        """Mark how this process's attempt ends now."""
        self.heartbeat = time.time()
        self.note_end(state, reason)

    def note_end(self, state: State, reason: str, *, since: float = math.inf) -> None:
        """Mark why nobody works on the run, which its own process could not say.

        An attempt that is open ended at its last sign of life, which is all that is known; one that
        has ended keeps its time.

        Args:
            state: of the run from then on.
            reason: in words.
            since: seconds since the epoch; of an attempt that began then or later this says more
                than its own end did.
        """
        self.state, self.reason = state, reason
        if not self.history:
            return
        last = self.history[-1]
        if last.ended is None:
            last.end(state, reason, at=self.heartbeat, epoch=self.epoch)
        elif last.started >= since:
            last.state, last.reason = state, reason


def wall_minutes(statuses: Iterable[Status], since: float) -> float:
    """Wall clock in which at least one of some runs was being trained, minutes.

    Args:
        statuses: of the runs.
        since: seconds since the epoch; attempts that began earlier do not count.

    Returns:
        The length of the union of their attempts, which may overlap and leave gaps.
    """
    spans = sorted(
        (attempt.launched or attempt.started, attempt.ended or status.heartbeat)
        for status in statuses
        for attempt in status.history
    )
    seconds, reached = 0.0, since
    for begun, ended in spans:
        if begun >= since:
            seconds += max(0.0, ended - max(begun, reached))
            reached = max(reached, ended)
    return seconds / 60


def _known(record: type[Status | Attempt], stored: dict[str, Any]) -> dict[str, Any]:
    """The stored values of the fields that this version knows."""
    known = record.__dataclass_fields__  # at hand: fields() would make a list for each run
    values = {name: value for name, value in stored.items() if name in known}
    return values | {"state": State(stored["state"])}
