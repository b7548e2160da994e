"""Building blocks of a report. The page and the Markdown are two prints of the same blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from matplotlib.figure import Figure as Canvas

from vgglab.forks import in_forks
from vgglab.report.style import file_of, house_style


@dataclass(frozen=True)
class Cell:
    """Text of a table's cell, and where it links to."""

    text: str
    href: str = ""
    kind: str = ""
    """Kind of emphasis: a verdict."""


@dataclass(frozen=True)
class Table:
    """Rows of cells; columns whose number is in ``words`` are set left, the others right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    caption: str = ""
    words: frozenset[int] = frozenset({0})
    stacked: bool = False
    """On a narrow screen each row is set as a card of its own."""
    kind: str = "table"

    @property
    def cells(self) -> list[list[Cell]]:
        """Every cell as a ``Cell``."""
        return [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in self.rows]


@dataclass(frozen=True)
class Figure:
    """A figure, drawn when one of its files is asked for."""

    name: str
    """Name of its files, without extension."""
    title: str
    """Content in a few words, also for those who cannot see it."""
    caption: str
    draw: Callable[[], Canvas]
    """Draws it in the style that matplotlib has at that moment."""
    kind: str = "figure"

    @property
    def svg(self) -> str:
        """In the house style."""
        return self._files[0].decode()

    @property
    def png(self) -> bytes:
        """In the house style, fine enough for print."""
        return self._files[1]

    @cached_property
    def _files(self) -> tuple[bytes, bytes]:
        # Together and in this order: each time that a figure is written its layout settles further.
        with house_style():
            canvas = self.draw()
            return file_of(canvas, "svg", self.name), file_of(canvas, "png", self.name)

    @staticmethod
    def draw_all(figures: Sequence[Figure], meanwhile: Callable[[], object] | None = None) -> None:
        """Draw the files of figures on all cores.

        ``meanwhile``: what can be done before they are there.
        """
        drawn = in_forks(attrgetter("_files"), figures, meanwhile)
        for figure, files in zip(figures, drawn, strict=True):
            figure.__dict__["_files"] = files  # where cached_property keeps it


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str
    kind: str = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[str]
    kind: str = "bullets"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True)
class Found:
    """What was found, topic by topic, and a figure next to it where there is room."""

    topics: Sequence[tuple[str, str]]
    """Name of a topic and its sentences."""
    figure: Figure | None
    kind: str = "found"


Block = Table | Figure | Paragraph | Bullets | Heading | Found


@dataclass(frozen=True)
class Section:
    """A titled part of the report."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    asks: str
    paper: str
    progress: str
    """A sentence on how many of the points finished."""
    sections: Sequence[Section]

    @property
    def figures(self) -> list[Figure]:
        """Every figure, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        pictures = [b.figure if isinstance(b, Found) else b for b in blocks]
        return [picture for picture in pictures if isinstance(picture, Figure)]
