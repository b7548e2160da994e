"""The figure of error against weight layers; sections: its other settings, every net's errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from vgglab.config.model import ModelConfig
from vgglab.report.blocks import Block, Figure, Heading, Section
from vgglab.report.fitted import caption_of, draw_fit, fit_of
from vgglab.report.paper_numbers import published
from vgglab.report.results import Results
from vgglab.report.style import (
    NORM_MARKERS,
    canvas,
    grid,
    ink,
    norm_colour,
    paper,
    small_type,
)
from vgglab.report.tables import error_table, paper_table
from vgglab.report.wording import INTERVAL, model_label, norm_label
from vgglab.study import Arm, Summary, norm_order
from vgglab.study.fits import FitRecord, on_line

_DODGE = 0.35
"""Weight layers between two marks that would cover each other."""


def on_axis(summaries: Sequence[Summary]) -> list[Summary]:
    """Those that the figure shows: nets of which a seed trained."""
    return [s for s in summaries if s.weight_layers and s.top1]


def _positions(shown: Sequence[Summary]) -> dict[Arm, float]:
    """Weight layers, shifted so that nets of equal depth and norms of one net stand apart."""
    models: dict[int, list[str]] = defaultdict(list)
    for summary in shown:
        names = models[summary.weight_layers or 0]
        if summary.arm.model not in names:
            names.append(summary.arm.model)
    norms = sorted({s.arm.norm for s in shown}, key=norm_order)
    wide = 1 + len(norms)
    positions = {}
    for summary in shown:
        names = models[summary.weight_layers or 0]
        model = names.index(summary.arm.model) - (len(names) - 1) / 2
        norm = norms.index(summary.arm.norm) - (len(norms) - 1) / 2
        positions[summary.arm] = (summary.weight_layers or 0) + _DODGE * (wide * model + norm)
    return positions


def _limits(shown: Sequence[Summary]) -> tuple[float, float, bool]:
    """Range of the error axis, and whether an interval runs off it.

    Two seeds give intervals many times wider than their distance: drawn in full they would press
    everything else into a line.
    """
    dots = [error for s in shown for error in s.top1_error.values()]
    low, high = min(dots), max(dots)
    room = max(0.6 * (high - low), 0.05 * high, 0.1)
    ends = [end for s in shown if s.top1 and s.top1.interval for end in s.top1.interval]
    bottom = max(min([low, *ends]), low - room, 0.0)
    top = min(max([high, *ends]), high + room, 100.0)
    margin = 0.06 * (top - bottom)
    cut = any(end < bottom - margin or end > top + margin for end in ends)
    return max(bottom - margin, 0.0), top + margin, cut


def _draw_series(
    axes: Axes, series: Sequence[Summary], x: Mapping[Arm, float], *, seeds: bool = True
) -> None:
    norm = series[0].arm.norm
    colour, marker = norm_colour(norm), NORM_MARKERS[norm]
    line = sorted((x[s.arm], s.top1.mean) for s in series if on_line(s.arm) and s.top1)
    axes.plot(*zip(*line, strict=True), color=colour, linewidth=1.2, zorder=2)
    for summary in series:
        mean, at = summary.top1, x[summary.arm]
        if mean is None:
            continue
        if mean.interval:
            axes.vlines(at, *mean.interval, color=colour, linewidth=1.4, zorder=3)
        face = colour if on_line(summary.arm) else paper()
        axes.plot(at, mean.mean, marker, markersize=6, color=colour, markerfacecolor=face, zorder=4)
        if not seeds:
            continue
        # Beside the interval, so that a seed on the mean is still seen.
        dots = [at + 0.5 * _DODGE] * mean.n
        axes.plot(dots, mean.values, ".", color=colour, markersize=5, alpha=0.65, zorder=3)


def _label_models(axes: Axes, shown: Sequence[Summary], x: Mapping[Arm, float]) -> None:
    """Each net's letter over its marks; where a seed is lacking, k/n in the series' colour.

    The letters stand in one row, so that no number covers the letter of the net beside it; those of
    nets beside the line stand in a row above it, for a letter at the same depth has its place.
    """
    top = _lines_above(shown) - 1
    line = top - any(not on_line(s.arm) for s in shown)
    of_model: dict[str, list[Summary]] = defaultdict(list)
    for summary in shown:
        of_model[summary.arm.model].append(summary)
    for model, members in of_model.items():
        lines = [
            (f"{s.trained}/{s.asked}", norm_colour(s.arm.norm))
            for s in reversed(members)
            if s.trained < s.asked
        ]
        row = line if on_line(members[0].arm) else top
        says_no_more = model == f"plain-{members[0].weight_layers}"  # than the axis does
        texts = [*enumerate(lines), (row, ("" if says_no_more else model_label(model), ink()))]
        for height, (text, colour) in texts:
            axes.annotate(
                text,
                (sum(x[s.arm] for s in members) / len(members), 1.0),
                xytext=(0, 3 + 10 * height),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                color=colour,
                fontsize=small_type(),
            )


def _lines_above(shown: Sequence[Summary]) -> int:
    """Lines of text over the marks of a net, at most."""
    lacking = [s.arm.model for s in shown if s.trained < s.asked]
    beside = any(not on_line(s.arm) for s in shown)
    return 1 + beside + max(map(lacking.count, lacking), default=0)


def _axis(axes: Axes, shown: Sequence[Summary], x: Mapping[Arm, float]) -> None:
    ticks = sorted({s.weight_layers for s in shown if s.weight_layers})
    axes.set_xticks(ticks)
    axes.set_xlim(ticks[0] - 1, ticks[-1] + 1)
    axes.set_xlabel("weight layers")
    _label_models(axes, shown, x)


def _legend(figure: Canvas, axes: Axes, norms: Sequence[str]) -> None:
    several = len(norms) > 1
    for norm in norms:
        mean = f"mean, {norm_label(norm)}" if several else "mean"
        axes.plot([], [], f"{NORM_MARKERS[norm]}-", color=norm_colour(norm), label=mean)
    axes.plot([], [], ".", color=ink(), markersize=5, alpha=0.65, label="one seed")
    axes.plot([], [], "|", color=ink(), markersize=9, label=INTERVAL)
    columns = 2 if several else 3
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, columnspacing=1.5)


def _paper() -> list[Summary]:
    """The paper's nets as if each were an arm of one seed: it gives neither seeds nor interval."""
    return on_axis(
        [
            Summary(
                arm=Arm(model, "none", "", differs=ModelConfig(name=model).net.differs),
                protocol="",
                weight_layers=net.weight_layers,
                seeds=(0,),
                states={},
                top1_error={0: net.top1_error},
                top5_error={},
            )
            for model, net in published().nets.items()
        ]
    )


def depth_figure(
    name: str,
    summaries: Sequence[Summary],
    fits: Sequence[FitRecord] = (),
    *,
    with_paper: bool = False,
) -> Figure | None:
    """Every seed as a dot, each arm's mean with its t-interval, and where the best depth is.

    Args:
        name: of the figure's files.
        summaries: one an arm, under one protocol.
        fits: of the study; those along the lines of this figure are drawn.
        with_paper: whether the paper's curve stands beside it, in a panel with a scale of its own.

    Returns:
        None with fewer than two nets that depth tells apart.
    """
    shown = on_axis(summaries)
    if len({s.arm.model for s in shown if on_line(s.arm)}) < 2:
        return None
    norms = sorted({s.arm.norm for s in shown}, key=norm_order)
    cut = _limits(shown)[2]
    lines = {
        norm: [s.arm for s in shown if s.arm.norm == norm and on_line(s.arm)] for norm in norms
    }
    found = {norm: fit_of(fits, line, shown[0].protocol) for norm, line in lines.items()}
    of_norm = {norm: fit for norm, fit in found.items() if fit}
    parts = [_caption(shown, cut), caption_of([*of_norm.values()])]
    parts += [_paper_caption()] if with_paper else []
    return Figure(
        name,
        "Top-1 test error against weight layers",
        " ".join(filter(None, parts)),
        partial(_drawn, shown, norms, of_norm, with_paper=with_paper),
    )


def _drawn(
    shown: Sequence[Summary],
    norms: Sequence[str],
    fits: Mapping[str, FitRecord],
    *,
    with_paper: bool,
) -> Canvas:
    """Draw the figure: ``fits`` has the fit of each norm's line where there is one."""
    x = _positions(shown)
    bottom, top, _ = _limits(shown)
    figure, (axes, *others) = canvas(1, 2, height=3.7, widths=(3, 2)) if with_paper else canvas()
    grid(axes)
    for norm in norms:
        series = [s for s in shown if s.arm.norm == norm]
        _draw_series(axes, series, x)
        if norm in fits:
            shifts = [x[s.arm] - (s.weight_layers or 0) for s in series if on_line(s.arm)]
            shift, row = float(np.mean(shifts)), [*fits].index(norm)
            draw_fit(axes, fits[norm], norm_colour(norm), shift=shift, row=row)
    axes.set_ylim(bottom, top)
    axes.set_ylabel("top-1 test error, %")
    _axis(axes, shown, x)
    _legend(figure, axes, norms)
    for beside in others:
        _draw_paper(beside)
        pad = 6 + 10 * max(map(_lines_above, (shown, _paper())))
        axes.set_title("here", pad=pad)
        beside.set_title("the paper", pad=pad)
    return figure


def _draw_paper(axes: Axes) -> None:
    grid(axes)
    nets = _paper()
    x = _positions(nets)
    _draw_series(axes, nets, x, seeds=False)
    _axis(axes, nets, x)


def _paper_caption() -> str:
    paper = published()
    return (
        "Beside it, on a scale of its own, the paper's nets on other data, one run each: "
        f"{paper.conditions}; {paper.table}."
    )


def _caption(shown: Sequence[Summary], cut: bool) -> str:
    has_interval = any(s.top1 and s.top1.interval for s in shown)
    with_interval = f" with its {INTERVAL}" if has_interval else ""
    parts = [f"Each small dot is a training seed; the large mark is their mean{with_interval}."]
    nets = {model_label(s.arm.model): s.weight_layers for s in shown}
    beside = {model_label(s.arm.model): s.arm.differs for s in shown if s.arm.differs}
    if beside:
        named = "; ".join(f"{label}, {differs}" for label, differs in beside.items())
        marks = "is the hollow mark" if len(beside) == 1 else "are hollow marks"
        parts.append(f"The line joins nets of 3x3 convolutions alone; {named}, {marks} beside it.")
    for depth in sorted({layers for layers in nets.values() if layers}):
        labels = sorted(label for label, layers in nets.items() if layers == depth)
        if len(labels) > 1:
            have = "both have" if len(labels) == 2 else "all have"
            names = " and ".join(labels)
            parts.append(f"{names} {have} {depth} weight layers and are set side by side.")
    if any(s.trained < s.asked for s in shown):
        parts.append("Where seeds are lacking, 2/3 over the marks says that 2 of 3 trained.")
    if cut:
        parts.append("Intervals that reach the frame go on beyond it; the table has their ends.")
    return " ".join(parts)


def first_depth_figure(results: Results, fits: Sequence[FitRecord] = ()) -> Figure | None:
    """The figure of the study's first setting, with the paper's curve; None without two nets."""
    setting, summaries = next(iter(results.by_setting().items()), (None, ()))
    figure = depth_figure("error_vs_depth", summaries, fits, with_paper=True)
    heading = results.setting_heading(setting) if setting else ""
    if figure is None or not heading:
        return figure
    return replace(figure, caption=f"Of {heading}. {figure.caption}")


def depth_section(results: Results, fits: Sequence[FitRecord] = ()) -> Section | None:
    """The figures of the settings after the first, which opens the page; None without one."""
    blocks: list[Block] = []
    for i, (setting, summaries) in enumerate(results.by_setting().items(), start=1):
        figure = depth_figure(f"error_vs_depth_{i}", summaries, fits) if i > 1 else None
        if figure:
            blocks += [Heading(results.setting_heading(setting)), figure]
    return Section("depth", "Error against depth, other settings", blocks) if blocks else None


def errors_section(results: Results) -> Section | None:
    """Every net's errors, seed by seed."""
    images = sorted({row.images for row in results.rows if row.images})
    tested = f" on {' or '.join(f'{n:,}' for n in images)} test images" if images else ""
    caption = (
        f"Top-1 error{tested}, percent. Only seeds that trained enter mean, sd and interval, which "
        "covers the seeds alone."
    )
    blocks: list[Block] = []
    for setting, summaries in results.by_setting().items():
        heading = results.setting_heading(setting)
        blocks += [Heading(heading)] if heading else []
        blocks.append(error_table(summaries, results.names, caption))
    if paper := paper_table(list(dict.fromkeys(s.arm.model for s in results.summaries))):
        blocks += [Heading("The paper's nets"), paper]
    return Section("errors", "Error of every net", blocks) if blocks else None
