"""Section: paired differences of every claim with their intervals, as a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from vgglab.report.blocks import Figure, Section
from vgglab.report.style import blue, canvas, ink, line_colour, muted, orange, small_type
from vgglab.report.wording import INTERVAL, compared, part_labels, setting_label
from vgglab.study import ClaimRecord, ClaimsFile, MeasuredRecord
from vgglab.study.claims.directions import DIRECTIONS

COLOURS = {"supported": blue, "contradicted": orange, "inconclusive": muted}
_FACES = {"supported": "o", "contradicted": "X", "inconclusive": "o"}
PART = "\N{DOWNWARDS ARROW WITH TIP RIGHTWARDS}"
_LABEL = 26
"""Characters of a line."""
_ROW = 0.27
"""Inches."""


@dataclass(frozen=True)
class _Row:
    label: str
    measured: MeasuredRecord
    verdict: str
    margin: float
    """Drawn as a band around zero where the claim is that two nets do not differ."""
    is_part: bool = False


def _rows(claims: Sequence[ClaimRecord]) -> list[_Row]:
    rows: list[_Row] = []
    for claim in claims:
        if claim["effect"] is None:
            continue
        setting = setting_label(claim["setting"])
        label = compared(claim, brief=True) + (f", {setting}" if setting else "")
        margin = claim["margin"] if DIRECTIONS[claim["direction"]].margin_is_band else 0.0
        label = "\n".join(wrap(label, _LABEL))
        rows.append(_Row(label, claim["effect"], claim["verdict"], margin))
        if len(claim["parts"]) > 1:
            labels = part_labels(claim)
            rows += [
                _Row(f"{PART} {name}", part, "inconclusive", 0.0, is_part=True)
                for name, part in zip(labels, claim["parts"], strict=True)
            ]
    return rows


def _limits(rows: Sequence[_Row]) -> tuple[float, float, bool]:
    """Range of the axis, and whether an interval runs off it: few seeds give very wide ones."""
    dots = [v for row in rows for v in (*row.measured["by_seed"], -row.margin, row.margin, 0.0)]
    low, high = min(dots), max(dots)
    room = max(0.5 * (high - low), 0.2)
    ends = [end for row in rows for end in row.measured["interval"] or ()]
    left, right = max(min([low, *ends]), low - room), min(max([high, *ends]), high + room)
    pad = 0.04 * (right - left)
    cut = any(end < left - pad or end > right + pad for end in ends)
    return left - pad, right + pad, cut


def _draw(axes: Axes, at: int, row: _Row) -> None:
    colour = COLOURS[row.verdict]()
    if row.margin:
        axes.fill_betweenx(
            [at - 0.42, at + 0.42], -row.margin, row.margin, color=line_colour(), zorder=1
        )
    measured = row.measured
    if measured["interval"]:
        low, high = measured["interval"]
        axes.hlines(at, low, high, color=colour, linewidth=1.4, zorder=3)
    size = 4 if row.is_part else 6
    face = colour if row.verdict != "inconclusive" else "none"
    axes.plot(
        measured["mean"], at, _FACES[row.verdict], color=colour, markerfacecolor=face,
        markersize=size, zorder=4,
    )  # fmt: skip
    dots = [at + 0.28] * len(measured["by_seed"])
    axes.plot(measured["by_seed"], dots, ".", color=colour, markersize=3, alpha=0.7, zorder=3)


def forest_figure(name: str, claims: Sequence[ClaimRecord]) -> Figure | None:
    """A row a claim, and one for each difference that it is made of; None without a row."""
    rows = _rows(claims)
    if not rows:
        return None
    caption = _caption(rows, _limits(rows)[2])
    return Figure(name, "Differences by claim", caption, partial(_drawn, rows))


def _drawn(rows: Sequence[_Row]) -> Canvas:
    left, right, _ = _limits(rows)
    figure, (axes,) = canvas(
        height=0.95 + _ROW * len(rows) + 0.05 * sum("\n" in row.label for row in rows)
    )
    axes.axvline(0, color=ink(), linewidth=0.8, zorder=2)
    axes.grid(axis="x")
    for at, row in enumerate(rows):
        _draw(axes, at, row)
    axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=small_type())
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(left, right)
    axes.tick_params(length=0, axis="y")
    axes.set_xlabel("difference of error, percentage points")
    return figure


def _caption(rows: Sequence[_Row], cut: bool) -> str:
    parts = [
        f"Mark: mean difference; line: its {INTERVAL} over seeds and test images; dots: each seed.",
        "Left of zero the first named has the lower error. Filled blue: supported; orange cross: "
        "contradicted; hollow grey: inconclusive, or a part of the claim above it.",
    ]
    if any(row.margin for row in rows):
        parts.append("Grey band: the margin within which two nets count as equal.")
    if cut:
        parts.append("Lines that reach the frame go on beyond it; the table has their ends.")
    return " ".join(parts)


def forest_section(record: ClaimsFile) -> Section | None:
    """Every claim's difference in one figure; None without a difference."""
    figure = forest_figure("differences", record["claims"])
    return Section("differences", "Differences by claim", [figure]) if figure else None
