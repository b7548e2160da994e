"""So many points at a time, each a fresh process; one that fails leaves the others alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vgglab.launch.point import LAUNCHED, PARENT
from vgglab.runs import RunDirectory, State, Status
from vgglab.world import without_world

POLL_SECONDS = 0.5
GRACE_SECONDS = 60.0
"""How long an interrupted point may take to write its checkpoint."""


@dataclass(frozen=True)
class Point:
    """One point of a sweep: the overrides that compose it and where its run lives."""

    directory: RunDirectory
    overrides: tuple[str, ...]
    after: RunDirectory | None = None
    """The run that its first weights come from: a point of the same pool, or done."""

    def command(self, root: Path, extra_overrides: Sequence[str]) -> list[str]:
        """What a process of its own runs, without the launcher's choice."""
        overrides = [*extra_overrides, *self.overrides, "hydra.mode=RUN", "hydra/launcher=basic"]
        return [sys.executable, str(root / "run.py"), *overrides]


@dataclass(frozen=True, kw_only=True)
class Slots:
    """What each of the points that run at a time gets of the machine."""

    jobs: int
    threads: int
    """Of each process."""
    gpus: int
    devices: int = 1
    """Processes of a point, or its GPUs."""

    def environment(self, slot: int) -> dict[str, str]:
        """Variables of the process in a slot: its threads, and its GPUs where there are any."""
        variables = {
            PARENT: str(os.getpid()),
            LAUNCHED: repr(time.time()),
            "OMP_NUM_THREADS": str(self.threads),
            "MKL_NUM_THREADS": str(self.threads),
        }
        if self.gpus:
            mine = (str((slot * self.devices + i) % self.gpus) for i in range(self.devices))
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
        return variables


@dataclass
class Pool:
    """Starts points as slots come free."""

    root: Path
    slots: Slots
    extra_overrides: Sequence[str]
    """Put before each point's own, which win."""
    _running: dict[int, tuple[Point, subprocess.Popen[bytes]]] = field(default_factory=dict)

    def run(
        self, points: Sequence[Point]
    ) -> Generator[tuple[list[Point], list[Point]], None, None]:
        """Run all points; yields ``(running, ended since the last time)`` at each look.

        When it is closed in the middle, or Ctrl-C ends it, the running points are asked to write
        their checkpoints, and it ends after them.
        """
        waiting = list(points)
        try:
            while waiting or self._running:
                free = [slot for slot in range(self.slots.jobs) if slot not in self._running]
                for slot in free:
                    if (point := self._next(waiting)) is not None:
                        process = start(point, self.root, self.extra_overrides, self.slots, slot)
                        self._running[slot] = point, process
                orphans = self._orphans(waiting)
                ended = self._reap()
                yield [point for point, _ in self._running.values()], [*ended, *orphans]
                if self._running:
                    time.sleep(POLL_SECONDS)
        finally:
            self._stop_all()

    def _next(self, waiting: list[Point]) -> Point | None:
        """Take the first point whose parent, if any, has an outcome."""
        for point in waiting:
            if point.after is None or _has_outcome(point.after):
                waiting.remove(point)
                return point
        return None

    def _orphans(self, waiting: list[Point]) -> list[Point]:
        """Take the points whose parent has ended here without an outcome; say so in the ledger."""
        working = {point.directory for point, _ in self._running.values()}
        found: list[Point] = []
        for point in list(waiting):  # in the order of training: a grandparent's end is seen first
            coming = working | {other.directory for other in waiting}
            if point.after and point.after not in coming and not _has_outcome(point.after):
                waiting.remove(point)
                note_orphan(point.directory, point.after)
                found.append(point)
        return found

    def _reap(self) -> list[Point]:
        ended = []
        for slot, (point, process) in list(self._running.items()):
            code = process.poll()
            if code is not None:
                del self._running[slot]
                note_death(point.directory, code)
                ended.append(point)
        return ended

    def _stop_all(self) -> None:
        stop([process for _, process in self._running.values()])
        for point, process in self._running.values():
            note_death(point.directory, process.returncode)
        self._running.clear()


def start(
    point: Point, root: Path, extra_overrides: Sequence[str], slots: Slots, slot: int
) -> subprocess.Popen[bytes]:
    """Start a point's process.

    Without the launcher's choice and with the variables of any outer process group gone, it
    composes and trains as if it had been typed alone.
    """
    point.directory.path.mkdir(parents=True, exist_ok=True)
    with point.directory.log.open("ab") as output:
        return subprocess.Popen(
            point.command(root, extra_overrides),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=without_world(os.environ) | slots.environment(slot),
            # Ctrl-C at the terminal is the launcher's to pass on, once.
            start_new_session=True,
        )


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask points to write their checkpoints; return when all have ended, late ones killed.

    Asked again, by Ctrl-C, it waits for none of them.
    """
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    try:
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
    finally:
        for process in processes:
            process.kill()  # nothing, where it has ended
            process.wait()


def _has_outcome(directory: RunDirectory) -> bool:
    return directory.read_status().state.is_outcome


def note_orphan(directory: RunDirectory, parent: RunDirectory) -> None:
    """Write down that a run cannot start because its parent has failed.

    Where the parent was only interrupted, the run goes on waiting for it. Started again, both are
    tried again.
    """
    status = directory.read_status()
    if parent.read_status().state is State.FAILED and status.state is State.PENDING:
        status.state, status.reason = State.FAILED, f"its parent {parent.id} has failed"
        status.write(directory.status)


def note_death(directory: RunDirectory, code: int) -> None:
    """Write down how a point's process ended if it could not do so itself."""
    if directory.is_claimed():
        return  # it had waited for another sweep's process, which still trains this run
    status = Status.read(directory.status)
    if status.state in (State.RUNNING, State.PENDING):
        if code < 0:
            status.end_attempt(State.INTERRUPTED, f"killed by {signal.Signals(-code).name}")
        else:
            reason = f"exit code {code} before training; see {directory.log}"
            status.end_attempt(State.FAILED, reason)
        status.write(directory.status)


def overrides_of(values: Mapping[str, object]) -> list[str]:
    """``key=value`` for each entry."""
    return [f"{key}={value}" for key, value in values.items()]
