"""Runs a limited number of points at a time, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

from vgglab import checkout
from vgglab.launch.forked import PointProcess, warm_start
from vgglab.launch.point import LAUNCHED, PARENT
from vgglab.machine import AT_A_TIME, SHARING, VISIBLE
from vgglab.runs import RunDirectory, State, Status
from vgglab.signals import STOPPED_EXIT_CODE
from vgglab.world import without_world

POLL_SECONDS = 0.5
GRACE_SECONDS = 60.0
"""Longest time that an interrupted point may take to write its checkpoint."""


@dataclass(frozen=True)
class Point:
    """One point of a sweep: the overrides that compose it, and the folder of its run."""

    directory: RunDirectory
    overrides: tuple[str, ...]
    after: RunDirectory | None = None
    """The run that its first weights come from: a point of the same pool, or a finished run."""

    def command(self, extra_overrides: Sequence[str]) -> list[str]:
        """Return the command of its process, which has no launcher of its own."""
        overrides = [*extra_overrides, *self.overrides, "hydra.mode=RUN", "hydra/launcher=basic"]
        return [sys.executable, str(checkout.root() / "run.py"), *overrides]


@dataclass(frozen=True, kw_only=True)
class PointResources:
    """Shares of the machine for the points that run at the same time."""

    jobs: int
    """Points at a time."""
    threads: int
    """Threads of each process."""
    gpus: tuple[str, ...]
    """GPUs of this machine, by their names in ``CUDA_VISIBLE_DEVICES``."""
    devices: int = 1
    """Processes of a point, or its GPUs."""

    @property
    def sharing(self) -> int:
        """Points that share a GPU at a time; 0: there is none."""
        return -(-self.jobs // self._places) if self.gpus else 0

    @property
    def _places(self) -> int:
        return max(1, len(self.gpus) // self.devices)

    @property
    def shared_environment(self) -> dict[str, str]:
        """The environment of every point, as far as they do not differ."""
        threads = str(self.threads)
        own = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        return without_world(os.environ) | own

    def environment(self, slot: int) -> dict[str, str]:
        """Return the variables of the process in a slot alone: its start, and its GPUs if any."""
        variables = {PARENT: str(os.getpid()), LAUNCHED: repr(time.time())}
        if self.gpus:
            first = slot % self._places * self.devices
            variables[VISIBLE] = ",".join(self.gpus[first : first + self.devices])
            variables |= {SHARING: str(self.sharing), AT_A_TIME: str(self.jobs)}
        return variables


@dataclass
class Pool:
    """Starts points as slots come free."""

    resources: PointResources
    extra_overrides: Sequence[str]
    """Put before the overrides of each point, which win."""
    load: str = ""
    """What a fork server imports for the points, ``module:function``; empty: each starts cold."""
    _running: dict[int, tuple[Point, PointProcess]] = field(default_factory=dict)

    def run(
        self, points: Sequence[Point]
    ) -> Generator[tuple[list[Point], list[Point]], None, None]:
        """Run all points; yield ``(running, ended since the last time)`` at each poll.

        Closed early, or ended by Ctrl-C, it asks the running points to write their checkpoints
        and waits for them.
        """
        waiting = list(points)
        try:
            while waiting or self._running:
                free = [slot for slot in range(self.resources.jobs) if slot not in self._running]
                for slot in free:
                    if (point := self._next(waiting)) is not None:
                        overrides, shares = self.extra_overrides, self.resources
                        process = start_point(point, overrides, shares, slot, self.load)
                        self._running[slot] = point, process
                blocked = self._take_blocked(waiting)
                ended = self._reap()
                yield [point for point, _ in self._running.values()], [*ended, *blocked]
                if self._running:
                    time.sleep(POLL_SECONDS)
        finally:
            self._stop_all()

    def _next(self, waiting: list[Point]) -> Point | None:
        """Take the first waiting point whose parent, if any, has an outcome, and which no other
        process trains; the first of those that one does where there are no others."""
        ready = (p for p in waiting if p.after is None or _has_outcome(p.after))
        claimed: list[Point] = []
        for point in ready:
            if not point.directory.is_claimed():
                waiting.remove(point)
                return point
            claimed.append(point)
        if claimed:
            waiting.remove(claimed[0])
        return claimed[0] if claimed else None

    def _take_blocked(self, waiting: list[Point]) -> list[Point]:
        """Take the points whose parent ended here without an outcome; record the reason."""
        working = {point.directory for point, _ in self._running.values()}
        found: list[Point] = []
        for point in list(waiting):  # in the order of training: a grandparent's end is seen first
            coming = working | {other.directory for other in waiting}
            if point.after and point.after not in coming and not _has_outcome(point.after):
                waiting.remove(point)
                record_failed_parent(point.directory, point.after)
                found.append(point)
        return found

    def _reap(self) -> list[Point]:
        ended = []
        for slot, (point, process) in list(self._running.items()):
            code = process.poll()
            if code is not None:
                del self._running[slot]
                record_death(point.directory, code)
                ended.append(point)
        return ended

    def _stop_all(self) -> None:
        stop_points([process for _, process in self._running.values()])
        for point, process in self._running.values():
            record_death(point.directory, process.wait())
        self._running.clear()


def start_point(
    point: Point, extra_overrides: Sequence[str], resources: PointResources, slot: int, load: str
) -> PointProcess:
    """Start a point's process, which trains as if its command had been typed alone.

    Args:
        point: The point to start.
        extra_overrides: Put before the overrides of the point, which win.
        resources: Share of the machine.
        slot: Index of the point among those that run at the same time, from 0.
        load: What a fork server imports for it; empty: it starts cold.

    Returns:
        The process; its output goes to the log of the run.
    """
    point.directory.path.mkdir(parents=True, exist_ok=True)
    command, environment = point.command(extra_overrides), resources.shared_environment
    warm_start.prepare(load, environment)
    with point.directory.log.open("ab") as output:
        process = warm_start.start(command, lambda: resources.environment(slot), output)
        return process or subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment | resources.environment(slot),
            # The launcher passes on Ctrl-C at the terminal, once.
            start_new_session=True,
        )


def stop_points(processes: Sequence[PointProcess]) -> None:
    """Ask points to write their checkpoints; return when all have ended.

    Those that take longer than ``GRACE_SECONDS`` are killed; a second Ctrl-C kills all at once.
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
            process.kill()  # does nothing where it has ended
            process.wait()


def _has_outcome(directory: RunDirectory) -> bool:
    return directory.read_status().state.is_outcome


def record_failed_parent(directory: RunDirectory, parent: RunDirectory) -> None:
    """Record that a run cannot start because its parent has failed.

    A run whose parent was only interrupted goes on waiting. The next start tries both again.
    """
    status = directory.read_status()
    if parent.read_status().state is State.FAILED and status.state is State.PENDING:
        status.state, status.reason = State.FAILED, f"its parent {parent.id} has failed"
        status.write(directory.status)


def record_death(directory: RunDirectory, code: int) -> None:
    """Record how a point's process ended if it could not do so itself."""
    if directory.is_claimed():
        return  # it waited for a process of another sweep, which still trains this run
    status = Status.read(directory.status)
    if status.state in (State.RUNNING, State.PENDING):
        if code == STOPPED_EXIT_CODE:
            has_begun = status.state is State.RUNNING  # and was asked twice
            reason = "stopped at once" if has_begun else "stopped before training"
            status.note_end(State.INTERRUPTED, reason)
        elif code < 0:
            status.note_end(State.INTERRUPTED, f"killed by {signal.Signals(-code).name}")
        else:
            reason = f"exit code {code} before training; see {directory.log}"
            status.note_end(State.FAILED, reason)
        status.write(directory.status)


def overrides_of(values: Mapping[str, object]) -> list[str]:
    """Return ``key=value`` for each entry."""
    return [f"{key}={value}" for key, value in values.items()]
