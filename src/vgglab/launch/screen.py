"""Shows a study while it runs: one live table, or a line for each event without a terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Column
from rich.text import Text

from vgglab.launch.long_table import Cell, LongTable
from vgglab.launch.pool import Point
from vgglab.runs import State, Status

COLOURS = {
    State.PENDING: "dim",
    State.RUNNING: "cyan",
    State.FINISHED: "green",
    State.DIVERGED: "yellow",
    State.UNTRAINABLE: "yellow",
    State.FAILED: "red",
    State.INTERRUPTED: "magenta",
    State.UNNEEDED: "dim",
}


NARROW = 110
"""Columns below which a table of runs has its reasons under it, so that names stay whole."""
TIGHT = 64
"""Columns below which names and states go on below themselves, so that nothing is lost."""


def status_table(
    rows: Iterable[tuple[str, Status]],
    title: str = "",
    *,
    width: int = 160,
    points: Mapping[str, str] | None = None,
    with_sizes: bool = False,
) -> Group:
    """Return a table of runs with state, epochs, validation error, parent if any, and reason.

    Args:
        rows: each run's id and status.
        title: stands above the table.
        width: columns of the screen; below ``NARROW`` parents and reasons are lines under the
            table.
        points: what tells each run from the others, by its id; None: their ids do.
        with_sizes: whether it says how much each run's folder holds.

    Returns:
        The table, and those lines.
    """
    rows = list(rows)
    is_narrow = width < NARROW
    differ = points if points and any(points.values()) else None
    with_parents = not is_narrow and any(status.parent for _, status in rows)
    error_header = f"validation{chr(10) if is_narrow else ' '}error, %"
    is_tight = width < TIGHT
    columns = [
        Column("run", no_wrap=not is_tight),
        *([Column("differs in", overflow="fold")] if differ else []),
        Column("state"),
        Column("epoch", justify="right"),
        Column(error_header, justify="right"),
        *([Column("MB", justify="right")] if with_sizes else []),
        *([] if is_narrow else [Column("attempts", justify="right")]),
        *([Column("starts from", no_wrap=True)] if with_parents else []),
        *([] if is_narrow else [Column("reason")]),
    ]
    if is_tight:
        for column in columns:
            column.overflow = "fold"
    cells: list[list[Cell]] = []
    for name, status in rows:
        error = status.validation_error
        cells.append(
            [
                name,
                *([differ.get(name, "")] if differ else []),
                (str(status.state), COLOURS[status.state]),
                f"{status.epoch}/{status.epochs}" if status.epochs else "",
                "" if error is None else f"{error:.2f}",
                *([_megabytes(status)] if with_sizes else []),
                *([] if is_narrow else [str(status.attempts or "")]),
                *([status.parent] if with_parents else []),
                *([] if is_narrow else [status.reason]),
            ]
        )
    table = LongTable(
        columns,
        cells,
        edges=box.SIMPLE_HEAD if is_narrow else box.HEAVY_HEAD,
        padding=0 if is_narrow else 1,
        title=title,
    )
    notes = [line for name, status in rows for line in _notes(name, status)] if is_narrow else []
    return Group(table, *map(Text, notes))


def _megabytes(status: Status) -> str:
    return "" if status.disk_bytes is None else f"{status.disk_bytes / 1e6:.1f}"


def _notes(name: str, status: Status) -> Iterator[str]:
    """What a narrow table has no room for."""
    if status.parent:
        yield f"{name}: starts from {status.parent}"
    if status.reason:
        yield f"{name}: {status.reason}"


def differing(points: Sequence[Point]) -> dict[str, str]:
    """What tells each point from the others: its overrides that not all of them have, by its id."""
    own = [[o for o in point.overrides if not o.startswith("task.")] for point in points]
    counts = Counter(override for overrides in own for override in overrides)
    return {
        point.directory.id: " ".join(o for o in overrides if counts[o] < len(points))
        for point, overrides in zip(points, own, strict=True)
    }


class StudyScreen:
    """Shows every point of a study with its state."""

    def __init__(
        self,
        study: str,
        points: Sequence[Point],
        console: Console,
        work: Mapping[str, float] | None = None,
    ) -> None:
        """
        Args:
            study: its name.
            points: all that are to be trained.
            console: shown on.
            work: what each takes beside the others, by its id; None: all take the same.
        """
        self._study, self._points, self._console = study, points, console
        self._differing = differing(points)
        self._work = work or {}
        self._live: Live | None = None
        self._begun = time.monotonic()
        self._had: float | None = None
        """Work that was done before."""
        self._shown: set[str] = set()
        self._ended: set[str] = set()

    def __enter__(self) -> StudyScreen:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, running: Sequence[Point], ended: Sequence[Point]) -> None:
        """Show the present state: the points that run, and those that have ended."""
        if self._had is None:
            self._had, _ = self._amounts(self._statuses())
        if self._live is not None:
            self._live.update(self._table(running))
            return
        for point in running:
            if point.directory.id not in self._shown:
                self._shown.add(point.directory.id)
                told = self._differing[point.directory.id]
                self._say(f"{point.directory.id}{f' ({told})' if told else ''}: started")
        for point in ended:
            if point.directory.id in self._ended:
                continue
            self._ended.add(point.directory.id)
            status = Status.read(point.directory.status)
            error = status.validation_error
            outcome = f", validation error {error:.2f}%" if error is not None else ""
            reason = f": {status.reason}" if status.reason else ""
            self._say(f"{point.directory.id}: {status.state}{outcome}{reason}{self._count()}")

    def _say(self, text: str) -> None:
        clock = time.strftime("%M:%S", time.gmtime(time.monotonic() - self._begun))
        self._console.print(
            f"[{clock}] {text}", markup=False, emoji=False, highlight=False, soft_wrap=True
        )

    def _statuses(self) -> list[Status]:
        return [Status.read(point.directory.status) for point in self._points]

    def _count(self) -> str:
        """How many have ended, and when the last one will."""
        statuses = self._statuses()
        ended = sum(status.state.is_outcome for status in statuses)
        if ended == len(statuses):
            return ""
        return f"; {ended} of {len(statuses)}{self._end(statuses)}"

    def _amounts(self, statuses: Sequence[Status]) -> tuple[float, float]:
        """The work that is done and that is left."""
        done = left = 0.0
        for point, status in zip(self._points, statuses, strict=True):
            work = self._work.get(point.directory.id, 1.0)
            over = status.state.is_outcome or status.state is State.FAILED
            share = 1.0 if over else status.epoch / max(1, status.epochs)
            done, left = done + share * work, left + (1 - share) * work
        return done, left

    def _end(self, statuses: Sequence[Status]) -> str:
        """When the points will be done at the pace so far; empty before an epoch has ended."""
        done, left = self._amounts(statuses)
        since = done - (self._had or 0.0)
        if since <= 0 or left <= 0:
            return ""
        seconds = left / since * (time.monotonic() - self._begun)
        at = time.localtime(time.time() + seconds)
        day = time.strftime("%a " if seconds > 43_200 else "", at)
        return f"; done at about {day}{time.strftime('%H:%M', at)}"

    def _table(self, running: Sequence[Point]) -> Group:
        statuses = self._statuses()
        active = {point.directory.id for point in running}
        rows = [
            (point.directory.id, status)
            for point, status in zip(self._points, statuses, strict=True)
            # A long study does not fit the screen: then only the running points are shown.
            if len(self._points) <= self._console.height - 8 or point.directory.id in active
        ]
        counts = Counter(str(status.state) for status in statuses)
        clock = time.strftime("%H:%M:%S", time.gmtime(time.monotonic() - self._begun))
        total = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        table = status_table(
            rows,
            title=f"study {self._study}",
            width=self._console.width,
            points=self._differing,
        )
        return Group(table, Text(f"{clock}  {total}{self._end(statuses)}"))
