"""Tables that more than one section prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vgglab.report.blocks import Table
from vgglab.report.paper_numbers import published
from vgglab.report.wording import (
    INTERVAL,
    NONE,
    ArmNames,
    grouped,
    model_label,
    number,
    other_states,
    span,
)
from vgglab.study import Estimate, Summary


def _in_rows(numbers: Iterable[str]) -> str:
    """Five in a row: a study may have many seeds."""
    known = list(numbers)
    return "\n".join("  ".join(known[i : i + 5]) for i in range(0, len(known), 5))


def _mean_and_interval(estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return [NONE, NONE]
    return [number(estimate.mean), span(estimate.interval)]


def seeds_trained(summary: Summary) -> str:
    """``2 of 3 (1 diverged)``; a run may not have been tested under the protocol."""
    untested = summary.states.get("finished", 0) - summary.trained
    states = {**summary.states, **({"not tested": untested} if untested > 0 else {})}
    return f"{summary.trained} of {summary.asked}{other_states(states)}"


def error_table(summaries: Sequence[Summary], names: ArmNames, caption: str = "") -> Table:
    """A row an arm: seeds, each seed's error, mean, deviation and interval, percent.

    Args:
        summaries: one an arm, under one protocol.
        names: spells the arms.
        caption: of the table.
    """
    with_top5 = any(s.top5_error for s in summaries)
    columns = ["net", "weight layers", "seeds trained", "top-1 error of each seed, %"]
    columns += ["mean", "sd", INTERVAL]
    rows = []
    for summary in summaries:
        top1 = summary.top1
        mean, interval = _mean_and_interval(top1)
        row = [
            names(summary.arm),
            grouped(summary.weight_layers),
            seeds_trained(summary),
            _in_rows(number(summary.top1_error.get(seed)) for seed in summary.seeds),
            mean,
            number(top1.sd if top1 else None),
            interval,
        ]
        rows.append(row + (_mean_and_interval(summary.top5) if with_top5 else []))
    if with_top5:
        columns += ["top-5 mean", f"top-5 {INTERVAL}"]
    return Table(columns, rows, caption, words=frozenset({0, 2}))


def paper_table(models: Sequence[str]) -> Table | None:
    """The paper's errors of the same configs; None where it has none of them."""
    paper = published()
    rows = [
        [
            model_label(model),
            grouped(paper.nets[model].weight_layers),
            number(paper.nets[model].top1_error, 1),
            number(paper.nets[model].top5_error, 1),
        ]
        for model in models
        if model in paper.nets
    ]
    if not rows:
        return None
    columns = ["net", "weight layers", "top-1 error, %", "top-5 error, %"]
    caption = (
        f"The paper's own numbers, for orientation: another data set. {paper.conditions}; "
        f"{paper.table}."
    )
    return Table(columns, rows, caption)
