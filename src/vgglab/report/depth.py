"""Sections: error against weight layers, and the errors of every net."""

from __future__ import annotations

from vgglab.report.blocks import Beside, Block, Heading, Section
from vgglab.report.depth_figure import depth_figure
from vgglab.report.results import Results
from vgglab.report.tables import error_table, paper_table


def depth_section(results: Results) -> Section | None:
    """None where the study has no two nets of the depth series."""
    blocks: list[Block] = []
    for i, (setting, summaries) in enumerate(results.by_setting().items(), start=1):
        figure = depth_figure("error_vs_depth" if i == 1 else f"error_vs_depth_{i}", summaries)
        if figure is None:
            continue
        models = list(dict.fromkeys(s.arm.model for s in summaries))
        heading = results.setting_heading(setting)
        blocks += [Heading(heading)] if heading else []
        paper = paper_table(models) if i == 1 else None  # once: it is of one way of testing
        blocks.append(Beside(figure, paper) if paper else figure)
    return Section("depth", "Error against depth", blocks) if blocks else None


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
    return Section("errors", "Error of every net", blocks) if blocks else None
