"""Candidates timed in turns, A B A B, so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

Times = Mapping[str, Sequence[float]]
"""Seconds of each round, by candidate."""


def alternate(
    candidates: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Seconds that each candidate took in each round.

    In every round each candidate runs once, and every second round goes backwards, so that none
    always follows the same one. ``warm_up`` rounds before them are not counted.
    """
    names = list(candidates)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            begun = time.perf_counter()
            candidates[name]()
            seconds = time.perf_counter() - begun
            if turn >= 0:
                times[name].append(seconds)
    return times


def median(times: Times, name: str) -> float:
    """Seconds of a candidate, the median over rounds."""
    return statistics.median(times[name])


def ratio(times: Times, above: str, below: str) -> float:
    """How many times as long ``above`` takes as ``below``: the median of the rounds' ratios, in
    each of which both ran under the same conditions."""
    return statistics.median(
        one / other for one, other in zip(times[above], times[below], strict=True)
    )


def markdown(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table that is also legible on a terminal; all but the first column to the right.

    Numbers (float) are written with three significant digits, None as nothing.
    """
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headings))]
    rule = [
        "-" * width if column == 0 else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    return "\n".join(_line(line, widths) for line in (cells[0], rule, *cells[1:]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
