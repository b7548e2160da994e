"""The curve through errors along an order and the best place on it; section: every such order.

Every number is one of ``claims.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from vgglab.report.blocks import Block, Cell, Figure, Paragraph, Section, Table
from vgglab.report.style import blue, canvas, grid, ink
from vgglab.report.wording import INTERVAL, ArmNames, model_label, norm_label, number, plural
from vgglab.study import Arm
from vgglab.study.claims.best import range_text
from vgglab.study.claims.curve import LEAST_PLACES
from vgglab.study.claims.inference import CONFIDENCE
from vgglab.study.claims.sides import LAYERS
from vgglab.study.fits import CurveRecord, FitRecord

WIDE = 4
"""Times the first place at which an axis becomes logarithmic."""
_ROW = 0.035
"""Height of a line that spans the places that may be the best, of the figure's axis."""
COLUMNS = (
    "error along",
    "of",
    "least error at",
    f"the best is ({CONFIDENCE:.0%})",
    "the curve is lowest at",
)


def arms_of(fit: FitRecord) -> list[Arm]:
    """The arms of an order, ascending along it."""
    return [Arm(**arm) for arm in fit["arms"]]


def fit_of(fits: Sequence[FitRecord], arms: Sequence[Arm], protocol: str) -> FitRecord | None:
    """The fit along weight layers of these arms; None where there is none.

    Args:
        fits: of a study.
        arms: that a figure joins by a line.
        protocol: that they were tested under.
    """
    wanted = set(arms)
    return next(
        (
            fit
            for fit in fits
            if fit["factor"] == LAYERS
            and fit["protocol"] == protocol
            and set(arms_of(fit)) <= wanted
        ),
        None,
    )


def draw_fit(axes: Axes, fit: FitRecord, colour: str, *, shift: float = 0.0, row: int = 0) -> None:
    """Draw the curve with its band, and a line over the places that may be the best.

    Args:
        axes: of errors against places.
        fit: to draw.
        colour: of its series.
        shift: of its series' marks, in places.
        row: of the line at the foot of the axes, from 0.
    """
    if curve := fit["curve"]:
        x = [place + shift for place in curve["places"]]
        axes.fill_between(x, curve["low"], curve["high"], color=colour, alpha=0.12, linewidth=0)
        axes.plot(x, curve["errors"], "--", color=colour, linewidth=1.0, zorder=2)
    low, high = fit["may_be"][0] + shift, fit["may_be"][-1] + shift
    foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 5}
    at = 0.03 + _ROW * row
    axes.plot([low, high], [at, at], "-", color=colour, linewidth=2.2, **foot)
    for place, end, mark in ((low, 0, "<"), (high, -1, ">")):
        kind = mark if fit["may_be"][end] == fit["places"][end] else "|"
        axes.plot(place, at, kind, color=colour, markersize=5, **foot)
    axes.plot(fit["best"] + shift, at, "d", color=colour, markersize=5, **foot)


def caption_of(fits: Sequence[FitRecord]) -> str:
    """What is drawn of these fits, and what they say; empty without one."""
    if not fits:
        return ""
    parts = [
        "The bar at the foot spans the places that may have the least error, with an arrow where "
        "the best may lie beyond what was tried and a diamond at the least mean."
    ]
    if any(fit["curve"] for fit in fits):
        parts.append(
            f"Dashed: a parabola in the logarithm, with the {INTERVAL} of its errors over seeds "
            "and test images."
        )
    norms = {arms_of(fit)[0].norm for fit in fits}
    for fit in fits:
        where = f"{norm_label(arms_of(fit)[0].norm)}: " if len(norms) > 1 else ""
        told = f"{where}{fit_sentence(fit)}"
        parts.append(told[0].upper() + told[1:])
    return " ".join(parts)


def fit_sentence(fit: FitRecord) -> str:
    """``Of 11, 13, 16, 19 weight layers the least error is at 16; the best is 13 to 16 (95%).``"""
    among = ", ".join(f"{place:g}" for place in fit["places"])
    text = (
        f"of {among} {fit['factor']} the least error is at {fit['best']:g}; the best is "
        f"{fit['text']} ({CONFIDENCE:.0%})"
    )
    if curve := fit["curve"]:
        text += f"; the curve is lowest at {curve_text(curve)}"
    trained = ", of runs that trained" if fit["untrained"] else ""
    return f"{text}{trained}."


def curve_text(curve: CurveRecord) -> str:
    """``15.8 (14.2 to 17.9)``: where a curve is lowest."""
    first, last = curve["places"][0], curve["places"][-1]
    shown = [float(number(place, 1)) for place in curve["ends"]]
    ends = [
        exact if exact in (first, last) else near
        for exact, near in zip(curve["ends"], shown, strict=True)
    ]
    return f"{_near(curve['lowest'], first, last)} ({range_text(ends, (first, last))})"


def _near(place: float, first: float, last: float) -> str:
    return f"{place:g}" if place in (first, last) else f"{place:.3g}"


def fits_section(fits: Sequence[FitRecord], names: ArmNames) -> Section | None:
    """Where the error is least along each order; figures of those besides depth.

    Args:
        fits: of the study.
        names: of its arms.
    """
    if not fits:
        return None
    rows = [_row(fit, names) for fit in fits]
    table = Table(COLUMNS, rows, _caption(fits), words=frozenset({0, 1, 3, 4}), stacked=True)
    others = [fit for fit in fits if fit["factor"] != LAYERS]
    figures = [fit_figure(f"error_along_{i}", fit, names) for i, fit in enumerate(others, start=1)]
    blocks: list[Block] = [table, *figures]
    if len(fits) > 1:
        blocks.insert(1, Paragraph(f"These are {plural(len(fits), 'order')}, each by itself."))
    return Section("best", "Where the error is least", blocks)


def _caption(fits: Sequence[FitRecord]) -> str:
    text = (
        "A place may be the best where no other is shown to have less error, each difference with "
        "the noise of seeds and test images and corrected for the number of rivals; no shape is "
        "assumed. An end of what was tried stands for all beyond it. The curve is a parabola in "
        "the logarithm; it is left out where an error is shown to lie off it. Each order is taken "
        "by itself, at one look: a claim of direction best_at is corrected with the others."
    )
    missing = sum(fit["untrained"] for fit in fits)
    return f"{text} {plural(missing, 'run')} did not train and are not in it." if missing else text


def _row(fit: FitRecord, names: ArmNames) -> list[Cell | str]:
    members = ", ".join(names(arm) for arm in arms_of(fit)) if fit["factor"] == LAYERS else ""
    among = members or ", ".join(f"{place:g}" for place in fit["places"])
    curve = curve_text(fit["curve"]) if fit["curve"] else "no parabola fits"
    if len(fit["places"]) < LEAST_PLACES:
        curve = "too few places"
    setting = _setting(fit, names)
    where = f"{fit['factor']}{f', {setting}' if setting else ''}"
    return [where, among, f"{fit['best']:g}", fit["text"], curve]


def _setting(fit: FitRecord, names: ArmNames) -> str:
    """What the arms of an order have in common besides it: the net, where it is not the order, and
    what tells it from others of the study."""
    parts = [f"protocol {fit['protocol']}"]
    if fit["factor"] != LAYERS:
        arm = arms_of(fit)[0].without(fit["factor"])
        parts = [model_label(arm.model), norm_label(arm.norm), names.setting(arm), *parts]
    return ", ".join(filter(None, parts))


def fit_figure(name: str, fit: FitRecord, names: ArmNames) -> Figure:
    """Mean errors along an order with the curve and the best.

    Args:
        name: of the figure's files.
        fit: to draw.
        names: of the study's arms.
    """
    caption = f"{_setting(fit, names)}. {caption_of([fit])}"
    return Figure(name, f"Top-1 test error against {fit['factor']}", caption, partial(_drawn, fit))


def _drawn(fit: FitRecord) -> Canvas:
    figure, (axes,) = canvas()
    grid(axes)
    axes.plot(fit["places"], fit["errors"], "o-", color=blue(), linewidth=1.2, zorder=3)
    if fit["places"][0] > 0 and fit["places"][-1] > WIDE * fit["places"][0]:
        axes.set_xscale("log")
    axes.set_xticks(fit["places"], [f"{place:g}" for place in fit["places"]], color=ink())
    axes.minorticks_off()
    draw_fit(axes, fit, blue())
    axes.set_xlabel(fit["factor"])
    axes.set_ylabel("top-1 test error, %")
    axes.margins(y=0.15)
    return figure
