"""Shows a study while it runs: one live table, or a line for each event without a terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

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


def status_table(rows: Iterable[tuple[str, Status]], title: str = "") -> Table:
    """Return a table of runs with state, epochs, validation error, parent if any, and reason."""
    rows = list(rows)
    with_parents = any(status.parent for _, status in rows)
    table = Table(title=title or None, title_justify="left")
    table.add_column("run", no_wrap=True)
    table.add_column("state")
    for name in ("epoch", "validation error, %", "attempts"):
        table.add_column(name, justify="right")
    if with_parents:
        table.add_column("starts from")
    table.add_column("reason")
    for name, status in rows:
        error = status.validation_error
        table.add_row(
            name,
            Text(str(status.state), style=COLOURS[status.state]),
            f"{status.epoch}/{status.epochs}" if status.epochs else "",
            "" if error is None else f"{error:.2f}",
            str(status.attempts or ""),
            *([status.parent] if with_parents else []),
            Text(status.reason),
        )
    return table


class StudyScreen:
    """Shows every point of a study with its state."""

    def __init__(self, study: str, points: Sequence[Point], console: Console) -> None:
        self._study, self._points, self._console = study, points, console
        self._live: Live | None = None
        self._begun = time.monotonic()
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
        if self._live is not None:
            self._live.update(self._table(running))
            return
        for point in running:
            if point.directory.id not in self._shown:
                self._shown.add(point.directory.id)
                self._say(f"{point.directory.id}: started")
        for point in ended:
            if point.directory.id in self._ended:
                continue
            self._ended.add(point.directory.id)
            status = Status.read(point.directory.status)
            error = status.validation_error
            outcome = f", validation error {error:.2f}%" if error is not None else ""
            reason = f": {status.reason}" if status.reason else ""
            self._say(f"{point.directory.id}: {status.state}{outcome}{reason}")

    def _say(self, text: str) -> None:
        clock = time.strftime("%M:%S", time.gmtime(time.monotonic() - self._begun))
        self._console.print(f"[{clock}] {text}", markup=False, highlight=False, soft_wrap=True)

    def _table(self, running: Sequence[Point]) -> Group:
        statuses = [Status.read(point.directory.status) for point in self._points]
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
        return Group(status_table(rows, title=f"study {self._study}"), Text(f"{clock}  {total}"))
