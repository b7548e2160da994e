"""The sections of a report, in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vgglab.report.blocks import Figure, Page
from vgglab.report.costs import cost_section
from vgglab.report.differences import forest_section
from vgglab.report.error_vs_depth import depth_section, errors_section
from vgglab.report.every_run import runs_section
from vgglab.report.fitted import fits_section
from vgglab.report.found import found_section
from vgglab.report.learning_curves import curves_section
from vgglab.report.looks import looks_section
from vgglab.report.method import method_section
from vgglab.report.results import results_of
from vgglab.report.setup import confound_line, progress, setup_section, skipped_line
from vgglab.report.trained import trainability_section
from vgglab.report.tuning import tuning_section
from vgglab.report.verdicts import verdict_section
from vgglab.report.ways_of_testing import protocols_section
from vgglab.study import ClaimsFile, StudyView
from vgglab.study.fits import FitRecord, fits_record
from vgglab.study.tuning_record import TuningRecord


def build_page(
    view: StudyView,
    claims: ClaimsFile,
    fits: Sequence[FitRecord],
    tuning: TuningRecord | None,
    folder: Path,
) -> Page:
    """Build the report of a study.

    Args:
        view: the study.
        claims: its judged claims.
        fits: its errors along every order of its arms.
        tuning: how its nets were tuned; None: they were not.
        folder: where the report will be; links are relative to it.
    """
    results = results_of(view)
    sections = (
        found_section(results, claims, fits),
        verdict_section(claims),
        depth_section(results, fits),
        fits_section(fits, results.names),
        forest_section(claims),
        errors_section(results),
        protocols_section(results),
        cost_section(results),
        curves_section(results),
        trainability_section(results),
        tuning_section(view, claims, tuning),
        setup_section(results),
        runs_section(results, folder),
        looks_section(results, claims),
        method_section(),
    )
    return Page(
        title=f"Study: {view.name}",
        asks=view.asks,
        paper=view.paper,
        progress=" ".join(
            filter(None, (progress(view), confound_line(view.guard), skipped_line(view)))
        ),
        sections=[section for section in sections if section],
    )


def figures_of(view: StudyView, claims: ClaimsFile) -> list[Figure]:
    """Every figure of a study's report, not drawn yet; ``claims``: the judged claims."""
    return build_page(view, claims, fits_record(view), None, Path()).figures
