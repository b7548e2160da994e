"""A Rich table whose plain rows are set by hand: Rich takes more than a millisecond for each.

Rich finds the widths of the columns and sets the header and every row that is not plain, so that
the whole looks as if it had set it all (tests/launch/test_long_table.py compares the bytes).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Column, Table
from rich.text import Text

Cell = str | tuple[str, str]
"""A text as it is, without markup; or one with its style."""
Row = Sequence[Cell]
Line = list[Segment]


class LongTable:
    """Rows under columns of Rich's; printed by a console as a table is."""

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Row],
        *,
        edges: box.Box,
        padding: int = 1,
        title: str = "",
    ) -> None:
        """
        Args:
            columns: their headers, and how they are set.
            rows: a cell for each column.
            edges: the lines between the cells.
            padding: spaces on both sides of a cell.
            title: stands above the table.
        """
        self._columns, self._rows = columns, rows
        self._edges, self._padding, self._title = edges, padding, title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(console, options)
        if min(widths) < 1:  # columns that the screen has no room for at all
            yield self._table(self._rows, title=self._title)
            return
        *head, bottom = self._lines(console, options, self._table((), widths, title=self._title))
        yield from _ended(head)
        # Rich closes the last row with edges of its own.
        plain = [self._is_plain(row, widths) for row in self._rows[:-1]] + [False]
        for is_plain, group in itertools.groupby(
            zip(self._rows, plain, strict=False), key=lambda pair: pair[1]
        ):
            rows = [row for row, _ in group]
            yield from _ended(
                self._plain_lines(console, options, rows, widths)
                if is_plain
                else self._set_by_rich(console, options, rows, widths)
            )
        yield from _ended([bottom])

    def _table(self, rows: Iterable[Row], widths: Sequence[int] = (), *, title: str = "") -> Table:
        """A table of Rich's, of columns that are as wide as they need, or as wide as is said."""
        table = Table(
            title=title or None,
            title_justify="left",
            box=self._edges,
            padding=(0, self._padding),
        )
        for column, width in itertools.zip_longest(self._columns, widths):
            table.add_column(
                column.header,
                justify=column.justify,
                overflow=column.overflow,
                no_wrap=column.no_wrap,
                width=width,
            )
        for row in rows:
            table.add_row(*(Text(*cell) if isinstance(cell, tuple) else Text(cell) for cell in row))
        return table

    def _widths(self, console: Console, options: ConsoleOptions) -> list[int]:
        """Characters of each column, as Rich finds them: they depend on the widest cell and the
        longest word of a column alone."""
        telling: list[Row] = []
        for place in range(len(self._columns)):
            of_text = {_text(row[place]): row for row in self._rows}
            telling += [of_text[text] for text in _widest(of_text)] if of_text else []
        table = self._table(telling)
        table.box = box.ASCII2  # whose first line shows them: +-----+---+
        (rule, *_), *_ = self._lines(console, options, table)
        return [len(part) - 2 * self._padding for part in rule.text.strip("+").split("+")]

    def _is_plain(self, row: Row, widths: Sequence[int]) -> bool:
        """Whether each cell is one line, of which every character takes one place."""
        return all(
            len(text) <= width and text.isascii() and text.isprintable() and text == text.strip()
            for text, width in zip(map(_text, row), widths, strict=True)
        )

    def _plain_lines(
        self, console: Console, options: ConsoleOptions, rows: Iterable[Row], widths: Sequence[int]
    ) -> Iterator[Line]:
        edges = self._edges.substitute(options, safe=console.safe_box)
        pad = " " * self._padding
        ways = [str.rjust if c.justify == "right" else str.ljust for c in self._columns]
        styles: dict[str, Style] = {}
        for row in rows:
            line: Line = []
            unstyled = edges.mid_left
            for cell, way, width in zip(row, ways, widths, strict=True):
                unstyled += pad
                if isinstance(cell, tuple):
                    text, style = cell
                    if style not in styles:
                        styles[style] = console.get_style(style)
                    line += [Segment(unstyled), Segment(way(text, width), styles[style])]
                    unstyled = pad + edges.mid_vertical
                else:
                    unstyled += way(cell, width) + pad + edges.mid_vertical
            last = len(edges.mid_vertical)
            line.append(Segment(unstyled[: len(unstyled) - last] + edges.mid_right))
            yield line

    def _set_by_rich(
        self, console: Console, options: ConsoleOptions, rows: Iterable[Row], widths: Sequence[int]
    ) -> list[Line]:
        table = self._table(rows, widths)
        table.show_header = False
        return self._lines(console, options, table)[1:-1]  # without its own edges

    @staticmethod
    def _lines(console: Console, options: ConsoleOptions, table: Table) -> list[Line]:
        return list(Segment.split_lines(console.render(table, options)))


def _widest(texts: Iterable[str]) -> set[str]:
    """The text with the widest line, and that with the longest word."""
    known = list(texts)
    lines = max(known, key=lambda text: max(map(cell_len, text.splitlines()), default=0))
    words = max(known, key=lambda t: max(map(cell_len, t.split() or t.splitlines()), default=0))
    return {lines, words}


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _ended(lines: Iterable[Line]) -> Iterator[Segment]:
    for line in lines:
        yield from line
        yield Segment.line()
