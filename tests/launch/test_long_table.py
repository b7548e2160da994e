"""A long table looks as if Rich had set all of it, byte for byte."""

from __future__ import annotations

import io
import random
from typing import Any

import pytest
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from vgglab.launch.long_table import Cell, LongTable

COLUMNS = (
    Column("run", no_wrap=True),
    Column("state"),
    Column("validation\nerror, %", justify="right"),
    Column("differs in", overflow="fold"),
    Column("reason"),
)
STYLES = {"finished": "green", "pending": "dim", "failed": "red"}
WORDS = (
    "out", "of", "memory", "a" * 30, "x" * 90, "naïve", "漢字", "e\u0301", "[red]", "tab\tbed",
    "two\nlines", "trailing ", " leading", ":smile:",
)  # fmt: skip


def some_rows(chance: random.Random, plain: bool) -> list[list[Cell]]:
    def words() -> str:
        return " ".join(chance.choice(WORDS) for _ in range(0 if plain else chance.randrange(5)))

    return [
        [
            f"d-bn-s{chance.randrange(10 ** chance.randrange(1, 9))}-5d94d1a981ebdaca",
            chance.choice([*STYLES.items()]),
            chance.choice(["", "1.23", "99.90"]),
            words(),
            words(),
        ]
        for _ in range(chance.choice([0, 1, 2, 30]))
    ]


def by_rich(rows: list[list[Cell]], edges: box.Box, padding: int, title: str) -> Table:
    table = Table(title=title or None, title_justify="left", box=edges, padding=(0, padding))
    for column in COLUMNS:
        table.add_column(
            column.header, justify=column.justify, overflow=column.overflow, no_wrap=column.no_wrap
        )
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else Text(*cell) for cell in row))
    return table


@pytest.mark.parametrize("width", [160, 110, 80, 60, 40, 20, 3])
@pytest.mark.parametrize("on_terminal", [True, False])
def test_it_is_what_rich_prints(width: int, on_terminal: bool) -> None:
    chance = random.Random(width)
    way: dict[str, Any] = (
        {"force_terminal": True, "color_system": "256"} if on_terminal else {"soft_wrap": True}
    )
    for number in range(12):
        rows = some_rows(chance, plain=number % 3 == 0)
        edges, padding = chance.choice([(box.HEAVY_HEAD, 1), (box.SIMPLE_HEAD, 0)])
        title = chance.choice(["", "00:12 study x: 3 finished, 2 pending and [bold]more"])
        long = LongTable(COLUMNS, rows, edges=edges, padding=padding, title=title)
        printed = []
        for table in (by_rich(rows, edges, padding, title), long):
            console = Console(file=io.StringIO(), width=width, highlight=False, **way)
            console.print(table)
            printed.append(console.file.getvalue())  # type: ignore[attr-defined]
        assert printed[0] == printed[1]


def test_rich_sets_few_of_many_plain_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    set_by_rich = []
    add_row = Table.add_row

    def counted(self: Table, *cells: Any) -> None:
        set_by_rich.append(cells)
        add_row(self, *cells)

    monkeypatch.setattr(Table, "add_row", counted)
    rows: list[list[Cell]] = [
        [f"run-{i}", ("finished", "green"), "1.23", "", ""] for i in range(999)
    ]
    console = Console(file=io.StringIO(), width=160)
    console.print(LongTable(COLUMNS, rows, edges=box.HEAVY_HEAD))
    assert len(set_by_rich) < 20
