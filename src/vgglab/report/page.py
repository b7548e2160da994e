"""The sections of a report, in order."""

from __future__ import annotations

from pathlib import Path

from vgglab.report.blocks import Page
from vgglab.report.comparisons import filters_section, lrn_section, norm_section
from vgglab.report.cost import cost_section
from vgglab.report.curves import curves_section
from vgglab.report.depth import depth_section
from vgglab.report.method import method_section
from vgglab.report.protocols import protocols_section
from vgglab.report.results import results_of
from vgglab.report.runs import runs_section
from vgglab.report.setup import progress, setup_section
from vgglab.study import StudyView


def build_page(view: StudyView, folder: Path) -> Page:
    """Everything the report of a study says; links are relative to ``folder``."""
    results = results_of(view)
    sections = (
        setup_section(results),
        depth_section(results),
        lrn_section(results),
        filters_section(results),
        norm_section(results),
        protocols_section(results),
        curves_section(results),
        cost_section(results),
        runs_section(results, folder),
        method_section(),
    )
    return Page(
        title=f"Study: {view.name}",
        asks=view.asks,
        paper=view.paper,
        progress=progress(view),
        sections=[section for section in sections if section],
    )
