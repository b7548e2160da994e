"""Rows on the screen: as a table, as JSON or as CSV, for every command."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, assert_never

from rich.console import Console, RenderableType
from rich.table import Table

from vgglab.streams import plain_console

Format = Literal["table", "json", "csv", "latex"]
"""``format`` of a config, which lets no command with rows have ``latex``."""
Row = Mapping[str, Any]

WIDTH = 160
"""Characters of a table that goes into a file."""
NAMES = ("run", "net", "model", "protocol")
"""Columns of words; all others are of numbers."""


def print_rows(
    rows: Sequence[Row],
    form: Format,
    *,
    document: Any = None,
    tables: Callable[[], Iterable[RenderableType]] | None = None,
    columns: Sequence[str] | None = None,
) -> None:
    """Print the rows of a command in the form that the user asks for.

    Args:
        rows: what the command found; all rows have the same keys.
        form: ``format`` of the config.
        document: printed by ``json`` in place of the rows.
        tables: makes what ``table`` prints, where a plain table of the rows does not say it all.
        columns: of ``csv``, in their order; all keys of the rows where it is None.
    """
    match form:
        case "json":
            print(json.dumps(list(rows) if document is None else document))
        case "csv":
            names = list(columns or (rows[0] if rows else ()))
            if not names:  # nothing was found, and what its columns would be is not known
                return
            writer = csv.DictWriter(sys.stdout, names, extrasaction="ignore")
            writer.writeheader()
            writer.writerows({name: _unrounded(row[name]) for name in names} for row in rows)
        case "table":
            console = screen()
            for part in [plain_table(rows)] if tables is None else tables():
                console.print(part)
        case "latex":
            raise ValueError("no command with rows has LaTeX")
        case _:
            assert_never(form)


def _unrounded(value: object) -> object:
    return cell(value) if isinstance(value, list | tuple) else value


def screen() -> Console:
    """The console of a command: what is no terminal gets whole lines."""
    is_terminal = sys.stdout.isatty()
    width = None if is_terminal else WIDTH
    return plain_console(width=width, soft_wrap=not is_terminal, highlight=False)


def plain_table(rows: Sequence[Row]) -> Table:
    """A table of rows: words to the left and whole, numbers to the right."""
    table = Table()
    columns = list(rows[0]) if rows else []
    for column in columns:
        is_name = column in NAMES
        table.add_column(heading(column), justify="left" if is_name else "right", no_wrap=is_name)
    for row in rows:
        table.add_row(*(cell(row[column]) for column in columns))
    return table


def heading(column: str) -> str:
    """``top1_error`` as a reader's heading: ``top-1 error, %``."""
    words = column.replace("_", " ").replace("top1", "top-1").replace("top5", "top-5")
    return f"{words}, %" if "error" in words else words


def cell(value: object) -> str:
    """A value as the text of a cell; empty for None."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(cell, value))
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def duration(seconds: float | None) -> str:
    """``48 s``, ``12 min``, ``3.5 h``, ``2.1 days``; ``unknown`` for None."""
    if seconds is None:
        return "unknown"
    if seconds < 120:
        return f"{seconds:.0f} s"
    for size, unit in ((60.0, "min"), (3600.0, "h"), (86_400.0, "days")):
        if seconds < 120 * size or unit == "days":
            return f"{seconds / size:.{1 if seconds < 10 * size else 0}f} {unit}"
    raise AssertionError("unreachable")


def megabytes(size: int) -> str:
    """``1.2 MB``."""
    return f"{size / 1e6:.1f} MB"
