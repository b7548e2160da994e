"""Section: the same nets, tested in several ways."""

from __future__ import annotations

from vgglab.report.blocks import Paragraph, Section, Table
from vgglab.report.paper_numbers import published
from vgglab.report.results import Results
from vgglab.report.tables import seeds_trained
from vgglab.report.wording import (
    INTERVAL,
    NONE,
    model_label,
    number,
    signed,
    signed_span,
    span,
)
from vgglab.study import protocol_steps

NOTE = (
    "Each interval is Student's over the training seeds alone, on these test images, and for one "
    "comparison alone: a description, not a verdict."
)


def protocols_section(results: Results) -> Section | None:
    """None where every run was tested in one way."""
    if len({summary.protocol for summary in results.summaries}) < 2:
        return None
    rows = []
    for step in protocol_steps(results.summaries):
        summary, found = step.summary, step.estimate
        is_base = summary.protocol == step.base
        rows.append(
            [
                results.names(summary.arm),
                summary.protocol,
                seeds_trained(summary),
                number(summary.top1.mean if summary.top1 else None),
                span(summary.top1.interval if summary.top1 else None),
                number(summary.top5.mean if summary.top5 else None),
                NONE if is_base else signed(found.mean if found else None),
                NONE if is_base else signed_span(found.interval if found else None),
            ]
        )
    columns = ["net", "protocol", "seeds trained", "top-1 error, %", INTERVAL, "top-5 error, %"]
    columns += ["against the first", f"{INTERVAL} of it"]
    caption = (
        "Mean over seeds, percent. Against the first protocol of the net: percentage points of "
        "top-1 error, paired by seed; the same weights on the same test images. Negative: the "
        "protocol has the lower error."
    )
    table = Table(columns, rows, caption, words=frozenset({0, 1, 2}))
    paper = _paper_table()
    return Section("protocols", "Ways of testing", [table, Paragraph(NOTE), paper])


def _paper_table() -> Table:
    """Its nets at S in [256, 512]."""
    found = published().protocols
    rows = [
        [model_label(model), protocol, number(top1, 1), number(top5, 1)]
        for model, by_protocol in found.rows.items()
        for protocol, (top1, top5) in by_protocol.items()
    ]
    caption = (
        f"The paper's own numbers, for orientation: another data set. {published().conditions}; "
        f"{found.table}."
    )
    columns = ["net", "protocol", "top-1 error, %", "top-5 error, %"]
    return Table(columns, rows, caption, words=frozenset({0, 1}))
