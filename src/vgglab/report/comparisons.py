"""Sections that compare two arms which differ in one thing: LRN, filters, batch norm."""

from __future__ import annotations

from collections.abc import Sequence

from vgglab.report.blocks import Block, Heading, Paragraph, Section, Table
from vgglab.report.published import published
from vgglab.report.results import Results
from vgglab.report.tables import NOT_CORRECTED, differences, error_table, seeds_trained
from vgglab.report.wording import INTERVAL, NONE, TIMES, measured, model_label, number, span
from vgglab.study import Estimate, Summary, paired_difference

Pair = tuple[Summary, Summary]
"""Without and with the thing that is compared."""


def model_pairs(summaries: Sequence[Summary], without: str, with_it: str) -> list[Pair]:
    """The two models at equal norm."""
    of = {(s.arm.norm, s.arm.model): s for s in summaries}
    norms = dict.fromkeys(s.arm.norm for s in summaries)
    both = [n for n in norms if (n, without) in of and (n, with_it) in of]
    return [(of[n, without], of[n, with_it]) for n in both]


def _norm_pairs(summaries: Sequence[Summary]) -> list[Pair]:
    """No normalisation and batch norm at equal model."""
    of = {(s.arm.model, s.arm.norm): s for s in summaries}
    both = [model for model, norm in of if norm == "none" and (model, "batch") in of]
    return [(of[model, "none"], of[model, "batch"]) for model in both]


def _compared(pairs: Sequence[Pair], results: Results) -> list[Block]:
    """Difference of each pair, with minus without."""
    found = [paired_difference(with_it, without) for without, with_it in pairs]
    return [*differences(found, results.names), Paragraph(NOT_CORRECTED)]


def _under_headings(by_heading: dict[str, list[Block]]) -> list[Block]:
    """The blocks of each setting under its heading."""
    blocks: list[Block] = []
    for heading, of_setting in by_heading.items():
        blocks += [Heading(heading)] if heading else []
        blocks += of_setting
    return blocks


def lrn_section(results: Results) -> Section | None:
    """A against A-LRN: error, time a step and memory, without and with."""
    found: dict[str, list[Block]] = {}
    for setting, summaries in results.by_setting().items():
        pairs = model_pairs(summaries, "a", "a_lrn")
        if pairs:
            table = _lrn_table(pairs, results)
            found[results.setting_heading(setting)] = [table, *_compared(pairs, results)]
    blocks = _under_headings(found)
    return Section("lrn", "Local response normalisation", blocks) if blocks else None


def _lrn_table(pairs: Sequence[Pair], results: Results) -> Table:
    nets = published().nets
    rows = []
    for pair in pairs:
        for lrn, summary in zip(("without", "with"), pair, strict=True):
            cost = results.costs.get(summary.arm)
            rows.append(
                [
                    results.names(summary.arm),
                    lrn,
                    *_seeds_and_mean(summary),
                    measured(cost.step_ms if cost else None, 1),
                    measured(cost.peak_memory_mib if cost else None, 0),
                    number(nets[summary.arm.model].top1_error, 1),
                ]
            )
        rows.append(_ratio_row(pair, results))
    columns = ["net", "LRN", "seeds trained", "top-1 error, %", INTERVAL, "time a step, ms"]
    columns += ["peak memory, MiB", "paper: top-1 error, % (ImageNet)"]
    caption = (
        "Error: mean over seeds. Time and memory: mean (lowest to highest) over seeds; what else "
        f"ran on the machine is in the times. The paper's column: {published().conditions}."
    )
    return Table(columns, rows, caption, words=frozenset({0, 1, 2}))


def _ratio_row(pair: Pair, results: Results) -> list[str]:
    """Time and memory with LRN over those without."""
    without, with_it = (results.costs.get(summary.arm) for summary in pair)
    ratios = [NONE, NONE]
    if without and with_it:
        ratios = [
            _ratio(with_it.step_ms, without.step_ms),
            _ratio(with_it.peak_memory_mib, without.peak_memory_mib),
        ]
    name = f"{results.names(pair[1].arm)} / {results.names(pair[0].arm)}"
    return [name, "", "", "", "", *ratios, ""]


def _ratio(over: Estimate | None, under: Estimate | None) -> str:
    if not over or not under or under.mean == 0:
        return NONE
    return f"{TIMES} {number(over.mean / under.mean)}"


def filters_section(results: Results) -> Section | None:
    """B against B with each pair of 3x3 convolutions replaced by one 5x5."""
    found: dict[str, list[Block]] = {}
    for setting, summaries in results.by_setting().items():
        pairs = model_pairs(summaries, "b", "b_5x5")
        if pairs:
            members = [summary for pair in pairs for summary in pair]
            found[results.setting_heading(setting)] = [
                error_table(members, results.names),
                *_compared(pairs, results),
                *_relative(pairs),
            ]
    blocks = _under_headings(found)
    if not blocks:
        return None
    paper = f"In the paper (section 4.1, ImageNet) {published().filters_finding}."
    return Section("filters", "Two 3x3 convolutions against one 5x5", [Paragraph(paper), *blocks])


def _relative(pairs: Sequence[Pair]) -> list[Block]:
    """The difference also as a share of B's error: the paper does not say which it means."""
    blocks: list[Block] = []
    for without, with_it in pairs:
        found = paired_difference(with_it, without)
        base = [without.top1_error[seed] for seed in found.by_seed]
        if not found.estimate or not sum(base):
            continue
        share = 100 * sum(found.by_seed.values()) / sum(base)
        first, second = model_label(with_it.arm.model), model_label(without.arm.model)
        way = "lower" if share < 0 else "higher"
        error = f"{first}'s error is {abs(share):.1f}% {way}"
        blocks.append(Paragraph(f"As a share of {second}'s error over the same seeds, {error}."))
    return blocks


def norm_section(results: Results) -> Section | None:
    """No normalisation against batch norm, for each net that has both."""
    found: dict[str, list[Block]] = {}
    for setting, summaries in results.by_setting().items():
        pairs = _norm_pairs(summaries)
        if pairs:
            table = _norm_table(pairs)
            found[results.setting_heading(setting)] = [table, *_compared(pairs, results)]
    blocks = _under_headings(found)
    if not blocks:
        return None
    paper = Paragraph("The paper's nets have no batch normalisation, so it has no such numbers.")
    return Section("batch-norm", "Batch normalisation", [paper, *blocks])


def _norm_table(pairs: Sequence[Pair]) -> Table:
    rows = [
        [model_label(pair[0].arm.model), *(text for s in pair for text in _seeds_and_mean(s))]
        for pair in pairs
    ]
    columns = ["net"]
    for side in ("without", "with"):
        columns += [f"{side}: seeds trained", "top-1 error, %", INTERVAL]
    caption = "Mean over the seeds that trained, without and with batch normalisation."
    return Table(columns, rows, caption, words=frozenset({0, 1, 4}))


def _seeds_and_mean(summary: Summary) -> list[str]:
    top1 = summary.top1
    return [
        seeds_trained(summary),
        number(top1.mean if top1 else None),
        span(top1.interval if top1 else None),
    ]
