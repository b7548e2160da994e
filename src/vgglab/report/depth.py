"""Section: error against weight layers."""

from __future__ import annotations

from collections.abc import Sequence

from vgglab.report.blocks import Beside, Block, Figure, Heading, Paragraph, Section, Table
from vgglab.report.depth_figure import ON_AXIS, depth_figure
from vgglab.report.results import Results
from vgglab.report.tables import NOT_CORRECTED, differences, error_table, paper_table
from vgglab.study import Difference, Summary, paired_difference

STEPS = (("b", "a"), ("c", "b"), ("d", "b"), ("d", "c"), ("e", "d"))
"""Deeper net first; D - C is 3x3 against 1x1 at equal depth."""


def depth_steps(summaries: Sequence[Summary]) -> list[Difference]:
    """The steps of the depth series, for each norm, of nets that the study asks for."""
    of = {(s.arm.norm, s.arm.model): s for s in summaries}
    norms = dict.fromkeys(s.arm.norm for s in summaries)
    return [
        paired_difference(of[norm, first], of[norm, second])
        for norm in norms
        for first, second in STEPS
        if (norm, first) in of and (norm, second) in of
    ]


def depth_section(results: Results) -> Section | None:
    """None where the study has no two nets of the depth series."""
    blocks: list[Block] = []
    for i, (setting, summaries) in enumerate(results.by_setting().items(), start=1):
        if len({s.arm.model for s in summaries} & set(ON_AXIS)) < 2:
            continue
        heading = results.setting_heading(setting)
        blocks += [Heading(heading)] if heading else []
        name = "error_vs_depth" if i == 1 else f"error_vs_depth_{i}"
        blocks += _of_setting(name, summaries, results)
    return Section("depth", "Error against depth", blocks) if blocks else None


def _of_setting(name: str, summaries: Sequence[Summary], results: Results) -> list[Block]:
    models = list(dict.fromkeys(s.arm.model for s in summaries))
    images = sorted({row.images for row in results.rows if row.images})
    tested = f" on {' or '.join(f'{n:,}' for n in images)} test images" if images else ""
    caption = f"Top-1 error{tested}, percent. Only seeds that trained enter mean, sd and interval."
    blocks = _figure_and_paper(depth_figure(name, summaries), paper_table(models))
    blocks.append(error_table(summaries, results.names, caption))
    steps = depth_steps(summaries)
    if steps:
        blocks += [*differences(steps, results.names), Paragraph(NOT_CORRECTED)]
    return blocks


def _figure_and_paper(figure: Figure | None, paper: Table | None) -> list[Block]:
    if figure and paper:
        return [Beside(figure, paper)]
    return [block for block in (figure, paper) if block]
