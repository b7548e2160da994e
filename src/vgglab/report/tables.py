"""Tables that more than one section prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vgglab.report.blocks import Bullets, Table
from vgglab.report.published import published
from vgglab.report.wording import (
    INTERVAL,
    NONE,
    ArmNames,
    difference_sentence,
    grouped,
    model_label,
    number,
    signed,
    signed_span,
    span,
)
from vgglab.study import Difference, Estimate, Summary

NOT_CORRECTED = (
    "Each interval is for one comparison alone and covers the training seeds only, on this test "
    "set; nothing is corrected for the number of comparisons."
)


def _in_rows(numbers: Iterable[str]) -> str:
    """Five in a row: a study may have many seeds."""
    known = list(numbers)
    return "\n".join("  ".join(known[i : i + 5]) for i in range(0, len(known), 5))


def _mean_and_interval(estimate: Estimate | None) -> list[str]:
    if estimate is None:
        return [NONE, NONE]
    return [number(estimate.mean), span(estimate.interval)]


def seeds_trained(summary: Summary) -> str:
    """``2 of 3 (1 diverged)``."""
    others = [f"{n} {state}" for state, n in summary.states.items() if state != "finished"]
    return f"{summary.trained} of {summary.asked}" + (f" ({', '.join(others)})" if others else "")


def error_table(summaries: Sequence[Summary], names: ArmNames, caption: str = "") -> Table:
    """A row an arm: seeds, each seed's error, mean, deviation and interval, percent."""
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


def _paper_step(difference: Difference) -> str:
    """The same step in the paper, where the two arms differ in the model."""
    nets = published().nets
    first, second = difference.first.model, difference.second.model
    if first == second or first not in nets or second not in nets:
        return NONE
    return signed(nets[first].top1_error - nets[second].top1_error, 1)


def difference_table(differences: Sequence[Difference], names: ArmNames) -> Table:
    """A row a comparison, paired by seed; percentage points of top-1 error."""
    steps = [_paper_step(difference) for difference in differences]
    with_paper = any(step != NONE for step in steps)
    rows = []
    for difference, step in zip(differences, steps, strict=True):
        found = difference.estimate
        row = [
            names.difference(difference.first, difference.second),
            str(len(difference.by_seed)),
            _in_rows(signed(d) for d in difference.by_seed.values()) or NONE,
            signed(found.mean if found else None),
            signed_span(found.interval if found else None),
        ]
        rows.append(row + ([step] if with_paper else []))
    columns = ["difference", "pairs", "of each seed, points", "mean", INTERVAL]
    caption = (
        "Differences of top-1 error, percentage points, paired by seed; negative: the first "
        "net has the lower error."
    )
    if with_paper:
        columns.append("in the paper (ImageNet)")
    return Table(columns, rows, caption)


def differences(found: Sequence[Difference], names: ArmNames) -> tuple[Table, Bullets]:
    """The comparisons as a table, and each in plain words."""
    sentences = [difference_sentence(difference, names) for difference in found]
    return difference_table(found, names), Bullets(sentences)
