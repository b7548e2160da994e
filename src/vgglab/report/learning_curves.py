"""Section: training and validation error against epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from vgglab.report.blocks import Block, Figure, Heading, Section
from vgglab.report.results import Results
from vgglab.report.style import canvas, grid, ink, norm_colour
from vgglab.report.wording import model_label, norm_label
from vgglab.study import Arm, Curve, Split, mean_curve, norm_order

_STYLES: dict[Split, Literal["--", "-"]] = {"train": "--", "validation": "-"}
_MARKS: dict[Split, str] = {"train": "^", "validation": "o"}
"""Of one epoch."""
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_COLUMNS = 2


def floor_of(curves: Mapping[Arm, Sequence[Curve]]) -> float:
    """Where an error of zero is drawn: half of the smallest other one, in percent."""
    return min((v for v in _values(curves) if v > 0), default=1.0) / 2


def lifted(points: Mapping[float, float], floor: float) -> tuple[list[float], list[float]]:
    """Epochs and errors of a curve, none below the floor: a log scale has no zero."""
    epochs = sorted(points)
    return epochs, [max(points[epoch], floor) for epoch in epochs]


def _values(curves: Mapping[Arm, Sequence[Curve]]) -> list[float]:
    both = [(*c.train.values(), *c.validation.values()) for cs in curves.values() for c in cs]
    return [value for values in both for value in values]


def _draw_arm(axes: Axes, arm: Arm, curves: Sequence[Curve], floor: float) -> None:
    colour = norm_colour(arm.norm)
    for split, line in _STYLES.items():
        for curve in curves:
            points = getattr(curve, split)
            thin = lifted(points, floor)
            axes.plot(*thin, color=colour, linestyle=line, linewidth=0.6, alpha=0.45)
            if len(points) == 1:  # a line of one epoch would not be seen
                axes.plot(*thin, _MARKS[split], color=colour, alpha=0.45)
            if not curve.finished and points:
                last = (coordinate[-1] for coordinate in thin)
                axes.plot(*last, "x", color=colour, markersize=5)
        mean = lifted(mean_curve(curves, split), floor)
        axes.plot(*mean, color=colour, linestyle=line, linewidth=1.7)


def _legend(figure: Canvas, norms: Sequence[str], unfinished: bool, *, with_marks: bool) -> None:
    several = len(norms) > 1
    columns: list[list[tuple[Line2D, str]]] = []
    for split, line in _STYLES.items():
        entries = []
        for norm in norms:
            label = f"{split}, {norm_label(norm)}" if several else split
            colour = norm_colour(norm)
            handle = Line2D([], [], color=colour, linestyle=line, linewidth=1.7)
            handle.set_marker(_MARKS[split] if with_marks else "")
            entries.append((handle, label))
        columns.append(entries)
    if unfinished:
        cross = Line2D([], [], color=ink(), linestyle="", marker="x", markersize=5)
        # A legend is filled column by column: a column of its own, or the end of the first.
        (columns[0] if several else columns[-1]).append((cross, "stopped early"))
    handles, labels = zip(*(entry for column in columns for entry in column), strict=True)
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if several else 3)


def curves_figure(name: str, curves: Mapping[Arm, Sequence[Curve]]) -> Figure | None:
    """A panel for each net; None where no run has recorded an epoch."""
    if not curves:
        return None
    unfinished = any(not c.finished for cs in curves.values() for c in cs)
    title = "Training and validation error against epoch"
    caption = _caption(curves, unfinished, floor_of(curves))
    return Figure(name, title, caption, partial(_drawn, curves, unfinished))


def _drawn(curves: Mapping[Arm, Sequence[Curve]], unfinished: bool) -> Canvas:
    models = list(dict.fromkeys(arm.model for arm in curves))
    norms = sorted({arm.norm for arm in curves}, key=norm_order)
    floor = floor_of(curves)
    rows = -(-len(models) // _COLUMNS)
    figure, panels = canvas(rows, min(_COLUMNS, len(models)), height=0.7 + 1.65 * rows)
    for axes, model in zip(panels, models, strict=False):
        for arm, members in curves.items():
            if arm.model == model:
                _draw_arm(axes, arm, members, floor)
        axes.set_title(model_label(model))
        _scale(axes)
    _show_two_ticks(panels[0])
    for axes in panels[len(models) :]:
        axes.set_visible(False)
    for axes in panels[max(len(models) - _COLUMNS, 0) : len(models)]:  # lowest of its column
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("epoch")
    figure.supylabel("top-1 error, % (log scale)", fontsize="medium")
    points = [getattr(c, split) for cs in curves.values() for c in cs for split in _STYLES]
    _legend(figure, norms, unfinished, with_marks=any(len(found) == 1 for found in points))
    return figure


def _scale(axes: Axes) -> None:
    grid(axes)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(_TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _show_two_ticks(axes: Axes) -> None:
    """Widen axes so far that errors, and epochs, can be read where all are nearly the same."""
    low, high = axes.get_ylim()
    if sum(low <= tick <= high for tick in _TICKS) < 2:
        below = max((tick for tick in _TICKS if tick < low), default=low)
        above = min((tick for tick in _TICKS if tick > high), default=high)
        axes.set_ylim(below, above)
    first, last = axes.get_xlim()
    if last - first < 1:
        axes.set_xlim(round(first) - 1, round(last) + 1)


def _caption(curves: Mapping[Arm, Sequence[Curve]], unfinished: bool, floor: float) -> str:
    parts = [
        "Thick: mean over the seeds that finished; thin: each seed.",
        "The training error is measured during the epoch, with augmentation and dropout on, so it "
        "can lie above the validation error.",
    ]
    if unfinished:
        parts.append("A cross marks where a run that has not finished stopped.")
    if any(value < floor for value in _values(curves)):
        parts.append("An error of zero is drawn at the lower edge.")
    return " ".join(parts)


def curves_section(results: Results) -> Section | None:
    """A figure for each initialisation and variant; None before the first epoch of any run."""
    groups: dict[tuple[str, str], dict[Arm, tuple[Curve, ...]]] = {}
    for arm, curves in results.curves.items():
        groups.setdefault((arm.init, arm.variant), {})[arm] = curves
    blocks: list[Block] = []
    for i, group in enumerate(groups.values(), start=1):
        heading = results.names.setting(next(iter(group)))
        blocks += [Heading(heading)] if heading else []
        figure = curves_figure("curves" if i == 1 else f"curves_{i}", group)
        blocks += [figure] if figure else []
    return Section("curves", "Learning curves", blocks) if blocks else None
