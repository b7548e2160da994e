"""The numbers behind the report's main figures, for whoever draws them anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vgglab.report.error_vs_depth import on_axis
from vgglab.report.results import Results, results_of
from vgglab.report.wording import model_label, norm_label
from vgglab.study import Estimate, StudyView, Summary
from vgglab.study.fits import on_line

ERROR_COLUMNS = (
    "net", "model", "norm", "init", "variant", "protocol", "weight_layers", "seeds", "trained",
    "top1_mean", "top1_sd", "top1_low", "top1_high", "top5_mean",
)  # fmt: skip

Row = list[str | int | float | None]


@dataclass(frozen=True)
class Band:
    """Top-1 error, percent, of nets of growing depth, with the ends of its interval over seeds."""

    name: str
    weight_layers: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    """The mean itself where one seed gives no interval."""
    high: tuple[float, ...]
    seeds: tuple[int, ...]
    """Runs that each mean is over."""
    standard_error: tuple[float, ...]
    """Of those with two or more seeds."""


@dataclass(frozen=True)
class Charts:
    """All that is drawn of one study."""

    depth: tuple[Band, ...]
    lrn: tuple[tuple[str, float], ...]
    """Net and mean top-1 error, percent: A and A-LRN of each setting."""
    errors: tuple[Row, ...]
    """An arm and protocol a row; the columns are ``ERROR_COLUMNS``."""


def charts_of(view: StudyView) -> Charts:
    """Everything that is drawn of a study."""
    results = results_of(view)
    bands: list[Band] = []
    lrn: list[tuple[str, float]] = []
    for setting, summaries in results.by_setting().items():
        heading = results.setting_heading(setting)
        suffix = f", {heading}" if heading else ""
        bands += _bands(summaries, suffix)
        lrn += [(results.names(s.arm) + suffix, s.top1.mean) for s in _lrn(summaries) if s.top1]
    rows = tuple(_error_row(summary, results) for summary in results.summaries)
    return Charts(tuple(bands), tuple(lrn), rows)


def _lrn(summaries: Sequence[Summary]) -> list[Summary]:
    """A and A-LRN, at each norm that both have."""
    of = {(s.arm.norm, s.arm.model): s for s in summaries}
    norms = dict.fromkeys(s.arm.norm for s in summaries)
    both = [norm for norm in norms if (norm, "a") in of and (norm, "a_lrn") in of]
    return [of[norm, model] for norm in both for model in ("a", "a_lrn")]


def _bands(summaries: Sequence[Summary], suffix: str) -> list[Band]:
    """A line for each norm through nets of 3x3 convolutions alone; others beside it."""
    shown = on_axis(summaries)
    if len({s.arm.model for s in shown if on_line(s.arm)}) < 2:
        return []
    bands = []
    for norm in dict.fromkeys(s.arm.norm for s in shown):
        of_norm = [s for s in shown if s.arm.norm == norm]
        line = [s for s in of_norm if on_line(s.arm)]
        others = [s for s in of_norm if not on_line(s.arm)]
        bands += [_band(norm_label(norm) + suffix, line)] if line else []
        bands += [
            _band(f"{model_label(s.arm.model)}, {norm_label(norm)}{suffix}", [s]) for s in others
        ]
    return bands


def _band(name: str, summaries: Sequence[Summary]) -> Band:
    means = [s.top1 for s in summaries if s.top1]
    spreads = [(m.sd, len(m.values)) for m in means]
    ends = [m.interval or (m.mean, m.mean) for m in means]
    return Band(
        name,
        tuple(s.weight_layers or 0 for s in summaries),
        tuple(m.mean for m in means),
        tuple(low for low, _ in ends),
        tuple(high for _, high in ends),
        tuple(n for _, n in spreads),
        tuple(sd / math.sqrt(n) for sd, n in spreads if sd is not None),
    )


def _error_row(summary: Summary, results: Results) -> Row:
    arm, top1, top5 = summary.arm, summary.top1, summary.top5
    names = [results.names(arm), arm.model, arm.norm, arm.init, arm.variant, summary.protocol]
    counts = [summary.weight_layers, summary.asked, summary.trained]
    return [*names, *counts, *_numbers(top1), top5.mean if top5 else None]


def _numbers(found: Estimate | None) -> list[float | None]:
    low, high = (found.interval if found else None) or (None, None)
    return [found.mean if found else None, found.sd if found else None, low, high]
