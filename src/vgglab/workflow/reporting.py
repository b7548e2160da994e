"""A study's report: its view over runs, its folder, and what W&B is told of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from vgglab.report import write_report
from vgglab.runs import load_run
from vgglab.study import MissingPoint, StudyView
from vgglab.workflow.compose import composed_claims
from vgglab.workflow.confound_check import guard_study
from vgglab.workflow.points import StudyPoint


def view_of(points: Sequence[StudyPoint]) -> StudyView:
    """Records of the runs that there are, and the configs of those that are missing."""
    study = points[0].config.study
    present = [p for p in points if p.directory.config.exists()]
    missing = [p for p in points if not p.directory.config.exists()]
    return StudyView(
        name=study.name,
        asks=study.asks,
        paper=study.paper,
        claims=composed_claims(points[0].point.overrides),
        runs=tuple(load_run(p.directory.path, planned=p.config) for p in present),
        missing=tuple(MissingPoint(p.directory.id, p.config) for p in missing),
        guard=guard_study(points),
    )


def write_study_report(points: Sequence[StudyPoint]) -> Path:
    """Write ``studies/<study>/``, tell W&B, and return the path of its page."""
    config, view = points[0].config, view_of(points)
    page = write_report(view, config.study_folder)
    if view.guard and view.guard.confounds:
        print(f"confounded: {view.guard.complaint}", file=sys.stderr)
    if config.tracking.mode != "off":
        # Imported only here: with tracking=off nothing loads W&B.
        from vgglab.workflow.wandb_study import publish_study

        publish_study(config, view, config.study_folder)
    return page
