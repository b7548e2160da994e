"""Times a few steps of each net of a study, with as many processes at a time as the study has."""

from __future__ import annotations

import shutil
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vgglab.launch.forked import PointProcess
from vgglab.launch.pool import Point, PointResources, start_point, stop_points
from vgglab.runs import Record, RunDirectory, read_metrics
from vgglab.runs.disk import bytes_of

LOG_EVERY = 4
"""Steps between the records that the time is read from."""
LEAST_RECORDS = 4
"""Fewest records within an epoch that a step's time is read from."""
LEAST_STEPS = 24
"""Fewest steps that a pilot takes."""
MOST_SECONDS = 15.0
"""Longest time spent on steps, unless a whole epoch with its validation takes less."""
POLL_SECONDS = 0.1
LASTING_POLLS = 10
"""Polls that must have seen a process for its memory to count."""


@dataclass(kw_only=True)
class Pilot:
    """The first steps of one net, and the measurements of them."""

    point: Point
    """The measured point, in a folder of its own."""
    measured: tuple[str, ...]
    """Overrides of the point that it stands for."""
    spawned: float = 0.0
    asked_to_stop: float | None = None
    ended: float | None = None
    code: int | None = None
    peaks: dict[int, list[float]] = field(default_factory=dict)
    """Process id -> its peak memory so far in MiB, at each poll."""
    disk_bytes: int = 0
    """Size of its folder when it was stopped, without its checkpoints."""
    records: list[Record] = field(default_factory=list)

    @property
    def steps(self) -> list[Record]:
        """Records within the first epoch."""
        return [r for r in self.records if "validation/top1_error" not in r]

    @property
    def epoch(self) -> Record | None:
        """The record of the first epoch's end."""
        return next(iter(self.epochs), None)

    @property
    def epochs(self) -> list[Record]:
        """The record of each epoch's end."""
        return [r for r in self.records if "validation/top1_error" in r]

    @property
    def memory_mib(self) -> float | None:
        """Peak resident memory of its processes in MiB; None where it could not be read.

        A process that few polls have seen was about to start a command such as git: until then it
        shares the memory of its parent, which is counted already.
        """
        lasting = [max(seen) for seen in self.peaks.values() if len(seen) >= LASTING_POLLS]
        return sum(lasting) if lasting else None

    @property
    def card_mib(self) -> float | None:
        """Peak of what torch held of a GPU, MiB; None without one."""
        held = [r["speed/card_memory_mib"] for r in self.records if "speed/card_memory_mib" in r]
        return max(held, default=None)

    @property
    def data_percent(self) -> float | None:
        """How much of a step is waiting for data, percent; None where no record says it.

        The first record of an epoch is left out: a loader's processes start then.
        """
        told = [r["speed/data_percent"] for r in self.steps[1:] if "speed/data_percent" in r]
        return statistics.median(told) if told else None

    @property
    def is_enough(self) -> bool:
        """Whether more steps would add nothing."""
        if self.epoch is not None:
            return len(self.steps) >= LEAST_RECORDS or len(self.epochs) > 1
        seen = self.steps
        if not seen or seen[-1]["step"] < LEAST_STEPS:
            return False
        return bool(seen[-1]["time"] - seen[0]["time"] >= MOST_SECONDS)


def start_step_tail(pilot: Pilot) -> tuple[float, float, float | None] | None:
    """Return the seconds to the first step, of a step, and of an epoch's end.

    The first record is left out of the time of a step: memory is allocated for the first time.

    Returns:
        The three times; the last is None without a whole epoch. None with too few records.
    """
    seen = pilot.steps
    if len(seen) < LEAST_RECORDS:
        return _from_epochs(pilot)
    first, warm, last = seen[0], seen[1], seen[-1]
    step = (last["time"] - warm["time"]) / (last["step"] - warm["step"])
    tail = None
    if pilot.epoch is not None:
        left = pilot.epoch["step"] - last["step"]
        tail = max(0.0, pilot.epoch["time"] - last["time"] - left * step)
    return first["time"] - pilot.spawned - first["step"] * step, step, tail


def _from_epochs(pilot: Pilot) -> tuple[float, float, float] | None:
    """The same three times where an epoch has too few steps: from what its record says of them.

    The last epoch's: in the first one memory is allocated for the first time.
    """
    if pilot.epoch is None:
        return None
    first, last = pilot.epoch, pilot.epochs[-1]
    steps = first["step"]
    step = last["speed/step_ms"] / 1e3
    start = first["time"] - pilot.spawned - first["speed/epoch_seconds"]
    return start, step, max(0.0, last["speed/epoch_seconds"] - steps * step)


@dataclass
class PilotPool:
    """Runs pilots as the launcher runs points, and keeps all slots busy."""

    resources: PointResources
    extra_overrides: Sequence[str]
    folder: Path
    """Folder of their runs, which are removed."""
    load: str = ""
    """What a fork server imports for them; empty: each starts cold."""
    _running: dict[int, tuple[Pilot, PointProcess]] = field(default_factory=dict)

    def run(self, points: Sequence[Point]) -> Iterator[Pilot]:
        """Yield each pilot when it has ended, not necessarily in order."""
        waiting = [self._moved(point, str(i)) for i, point in enumerate(points)]
        fillers = 0
        try:
            while waiting or any(not _is_filler(p) for p, _ in self._running.values()):
                for slot in range(self.resources.jobs):
                    if slot in self._running:
                        continue
                    if waiting:
                        self._start(waiting.pop(0), slot)
                    else:  # keeps the slot busy for those that are still measured
                        fillers += 1
                        self._start(self._moved(points[-1], f"filler-{fillers}"), slot)
                time.sleep(POLL_SECONDS)
                yield from self._poll()
        finally:
            self._stop_all()

    def _moved(self, point: Point, name: str) -> Pilot:
        runs = self.folder / name
        return Pilot(
            measured=point.overrides,
            point=replace(
                point,
                directory=RunDirectory(runs / point.directory.id),
                overrides=(
                    *point.overrides,
                    f"paths.runs={runs}",
                    f"trainer.log_every={LOG_EVERY}",
                ),
            ),
        )

    def _start(self, pilot: Pilot, slot: int) -> None:
        process = start_point(pilot.point, self.extra_overrides, self.resources, slot, self.load)
        pilot.spawned = time.time()  # not before: the first may have waited for the fork server
        self._running[slot] = pilot, process

    def _poll(self) -> Iterator[Pilot]:
        for slot, (pilot, process) in list(self._running.items()):
            pilot.code = process.poll()
            if pilot.code is None:
                _observe(pilot, process)
                continue
            del self._running[slot]
            pilot.ended = time.time()
            _measure_folder(pilot)
            if not _is_filler(pilot):
                yield pilot
            shutil.rmtree(pilot.point.directory.path.parent, ignore_errors=True)

    def _stop_all(self) -> None:
        stop_points([process for _, process in self._running.values()])
        self._running.clear()


def _is_filler(pilot: Pilot) -> bool:
    return pilot.point.directory.path.parent.name.startswith("filler-")


def _observe(pilot: Pilot, process: PointProcess) -> None:
    for child, peak in peak_memory_mib(process.pid).items():
        pilot.peaks.setdefault(child, []).append(peak)
    if pilot.asked_to_stop is None:
        pilot.records = read_metrics(pilot.point.directory.metrics)
        if pilot.is_enough:
            pilot.asked_to_stop = time.time()
            process.send_signal(signal.SIGINT)


def _measure_folder(pilot: Pilot) -> None:
    directory = pilot.point.directory
    pilot.disk_bytes = bytes_of(directory.path) - bytes_of(directory.checkpoints)
    if pilot.asked_to_stop is None:
        pilot.records = read_metrics(directory.metrics)


def peak_memory_mib(process: int) -> dict[int, float]:
    """Return the peak resident memory of a process and its children.

    Returns:
        Process id -> MiB; empty where Linux does not say.
    """
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            found[process] = int(line.split()[1]) / 1024
    for child in children.split():
        found |= peak_memory_mib(int(child))
    return found
