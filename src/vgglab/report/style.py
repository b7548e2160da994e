"""House style of the figures: colours, type, and files that are equal for equal data."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from vgglab.report.blocks import Figure

INK = "#1f2328"
MUTED = "#5f6772"
GRID = "#d9dde3"
PAPER = "#ffffff"
# Okabe & Ito's palette: told apart with any colour vision, and by lightness in grey print.
BLUE = "#0072b2"
ORANGE = "#d55e00"
# A norm that these tables do not name is drawn as diamonds in ink.
NORM_COLOURS = defaultdict(lambda: INK, {"none": BLUE, "batch": ORANGE})
NORM_MARKERS = defaultdict(lambda: "D", {"none": "o", "batch": "s"})
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

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw inside this."""
    with mpl.rc_context(_RC):
        yield


def canvas(
    rows: int = 1,
    columns: int = 1,
    height: float = 3.4,
    *,
    share: bool = True,
    widths: Sequence[float] | None = None,
) -> tuple[Canvas, list[Axes]]:
    """An empty figure of the house width, and its panels row by row.

    Args:
        rows: of panels.
        columns: of panels.
        height: of the figure, inches.
        share: whether panels share both axes, not the vertical one alone.
        widths: relative, of columns that each have axes of their own; None: equal, and shared.
    """
    figure = Canvas(figsize=(WIDTH, height), layout="constrained")
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
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.tick_params(length=2.5)


def finish(figure: Canvas, name: str, title: str, caption: str) -> Figure:
    """Write a drawn figure in both formats, without the date or version that would differ.

    Args:
        figure: as drawn.
        name: of its files.
        title: what it shows, in a few words.
        caption: the sentences under it.
    """
    vector, pixels = io.StringIO(), io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(pixels, format="png", dpi=200, metadata={"Software": None})
    return Figure(name, title, caption, vector.getvalue(), pixels.getvalue())


def inline_svg(figure: Figure) -> str:
    """The figure as an element of the page: scales with it and follows its colours.

    Ids get the figure's name in front: every matplotlib figure has an ``axes_1``.
    """
    svg = figure.svg[figure.svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{figure.name}-", svg)
    head, body = svg.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    # The caption under it is its text equivalent, and names it.
    head += f' role="img" aria-labelledby="{figure.name}-title"'
    for colour, variable in THEMED.items():
        body = body.replace(colour, f"var({variable})")
    return f"{head}>{body}"
