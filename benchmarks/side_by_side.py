"""Candidates timed in turns, A B A B, so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

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


def command(
    folder: Path,
    arguments: Sequence[str],
    expected: int = 0,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run Python with these arguments in a folder, to its end.

    Args:
        folder: where it works.
        arguments: of the interpreter.
        expected: its exit code.
        variables: of its environment, beside those of this process.

    Raises:
        RuntimeError: it did not end as it should.
    """
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"WANDB_SILENT": "true"} | dict(variables or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != expected:
        said = (ended.stderr or ended.stdout)[-800:]
        raise RuntimeError(f"{' '.join(arguments)}: exit code {ended.returncode}: {said}")


class Worker:
    """A candidate in a process of its own: imports, allocator and threads are nobody else's.

    ``make`` is called there once, with the arguments; what it returns is called whenever the worker
    is, with what the worker is handed. Both, and what goes between them, must be picklable.
    """

    def __init__(self, make: Callable[..., Callable[..., object]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        self._process.start()
        theirs.close()  # a child that dies then ends the conversation

    def __call__(self, *arguments: Any) -> Any:
        """What the candidate returns.

        Raises:
            RuntimeError: it raised; the message has its own.
            EOFError: its process died.
        """
        self._pipe.send(arguments)
        error, value = self._pipe.recv()
        if error:
            raise RuntimeError(error)
        return value

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()


def _serve(pipe: Any, make: Callable[..., Callable[..., object]], arguments: Any) -> None:
    candidate = make(*arguments)
    while True:
        asked = pipe.recv()
        try:
            pipe.send(("", candidate(*asked)))
        except Exception as error:
            pipe.send((f"{type(error).__name__}: {error}", None))


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
