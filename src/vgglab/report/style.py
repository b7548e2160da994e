"""House style of the figures: colours, type, and files that are equal for equal data."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Canvas

INK = "#1f2328"
MUTED = "#5f6772"
GRID = "#d9dde3"
PAPER = "#ffffff"
# Okabe & Ito's palette: told apart with any colour vision, and by lightness in grey print.
BLUE = "#0072b2"
ORANGE = "#d55e00"
THEMED = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    PAPER: "--panel",
    BLUE: "--blue",
    ORANGE: "--orange",
}
"""Colour in a figure's file -> custom property of the page that takes its place there."""

WIDTH = 4.6
"""Inches: a column of print, and near one to one on a phone."""

NORM_MARKERS = defaultdict(lambda: "D", {"none": "o", "batch": "s"})


@contextmanager
def house_style(width: float = WIDTH) -> Iterator[None]:
    """Draw, and write files, inside this.

    ``width``: of a figure, inches. In a narrower one than the usual the type is smaller with it.
    """
    small = min(1.0, width / WIDTH)
    style: dict[Any, Any] = {
        "figure.figsize": (width, 3.4 * width / WIDTH),
        "font.family": "sans-serif",
        "font.size": 9 * small,
        "axes.titlesize": 9 * small,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.facecolor": PAPER,
        "axes.prop_cycle": cycler(color=[BLUE, ORANGE]),
        "figure.facecolor": PAPER,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "legend.fontsize": 8 * small,
        "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
        "pdf.fonttype": 42,  # fonts that journals take
    }
    with mpl.rc_context(style):
        yield


# What a figure is drawn with follows the style that holds when it is drawn: a notebook's own, or
# the house style. Colours are taken at that moment, for matplotlib looks up some only later.


def blue() -> str:
    """The first colour of series."""
    return to_hex("C0")


def orange() -> str:
    """The second colour of series."""
    return to_hex("C1")


def ink() -> str:
    """The colour of text."""
    return to_hex(mpl.rcParams["text.color"])


def muted() -> str:
    """The colour of ticks, and of what is not to stand out."""
    return to_hex(mpl.rcParams["xtick.color"])


def line_colour() -> str:
    """The colour of the lines that values are read by."""
    return to_hex(mpl.rcParams["grid.color"])


def paper() -> str:
    """The colour that is drawn on."""
    return to_hex(mpl.rcParams["axes.facecolor"])


def small_type() -> Any:
    """The size of what stands beside marks: that of a legend."""
    return mpl.rcParams["legend.fontsize"]


def norm_colour(norm: str) -> str:
    """The colour of nets with a norm; one that has no colour of its own is drawn in ink."""
    if norm == "none":
        return blue()
    return orange() if norm == "batch" else ink()


class ShownFigure(Canvas):
    """A figure that a notebook shows by itself: pyplot, which would, need not be in use."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def canvas(
    rows: int = 1,
    columns: int = 1,
    height: float = 3.4,
    *,
    share: bool = True,
    widths: Sequence[float] | None = None,
) -> tuple[Canvas, list[Axes]]:
    """An empty figure as wide as the style says, and its panels row by row.

    Args:
        rows: of panels.
        columns: of panels.
        height: of the figure, inches at the house's width.
        share: whether panels share both axes, not the vertical one alone.
        widths: relative, of columns that each have axes of their own; None: equal, and shared.
    """
    wide = mpl.rcParams["figure.figsize"][0]
    figure = ShownFigure(figsize=(wide, height * wide / WIDTH), layout="constrained")
    shared = widths is None
    axes = figure.subplots(
        *(rows, columns),
        sharex=share and shared,
        sharey=shared,
        squeeze=False,
        width_ratios=widths,
    )
    return figure, [axis for row in axes for axis in row]


def grid(axes: Axes) -> None:
    """Horizontal lines to read values by."""
    axes.grid(axis="y")
    axes.tick_params(length=2.5)


_WITHOUT_DATE = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def file_of(figure: Canvas, form: str, salt: str) -> bytes:
    """A figure's file, without the date or version that would differ.

    Args:
        figure: as drawn.
        form: ``svg``, ``pdf`` or ``png``.
        salt: goes into the ids of an SVG file.
    """
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine(None)  # once for all its files: it takes longer than to draw
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(file, format=form, dpi=200, metadata=_WITHOUT_DATE[form])
    return file.getvalue()


def inline_svg(svg: str, name: str) -> str:
    """A figure's file as an element of the page: scales with it and follows its colours.

    Ids get the figure's name in front: every matplotlib figure has an ``axes_1``.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    head, body = svg.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    # The caption under it is its text equivalent, and names it.
    head += f' role="img" aria-labelledby="{name}-title"'
    for colour, variable in THEMED.items():
        body = body.replace(colour, f"var({variable})")
    return f"{head}>{body}"
