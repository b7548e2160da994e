"""A study's report: its view over runs, its folder, and what W&B is told of it."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from vgglab.report import screen_lines, write_report
from vgglab.runs import RunRecord
from vgglab.study import MissingPoint, StudyView
from vgglab.study.looking import with_looks
from vgglab.study.stored import read_control_ledger, read_declared, read_ledger
from vgglab.workflow.confound_check import guard_study
from vgglab.workflow.looks import (
    declare,
    note_looks,
    null_arm,
    record_of,
    refuse_few_seeds,
)
from vgglab.workflow.points import StudyPoint
from vgglab.workflow.tuning import control_points, tuning_plan


def view_of(points: Sequence[StudyPoint]) -> StudyView:
    """Records of the runs that there are, and the configs of those that are missing.

    Raises:
        ConfigError: the study declares more looks than its grid has seeds for.
    """
    refuse_few_seeds(points)
    study, folder = points[0].config.study, points[0].config.study_folder
    records = [record_of(point) for point in points]
    view = StudyView(
        name=study.name,
        asks=study.asks,
        paper=study.paper,
        claims=points[0].claims,
        runs=tuple(r for r in records if isinstance(r, RunRecord)),
        missing=tuple(r for r in records if isinstance(r, MissingPoint)),
        guard=guard_study(points),
        design=study.design,
        looks=study.looks,
        ledger=read_ledger(folder),
        control_ledger=read_control_ledger(folder),
        declared=read_declared(folder),
    )
    plan = tuning_plan(points)
    return with_looks(
        replace(
            view,
            placebo=tuple(record_of(point) for point in null_arm(points, view)),
            tuning=plan.tuning() if plan else None,
            control=tuple(record_of(point) for point in control_points(points, plan)),
        )
    )


def write_study_report(points: Sequence[StudyPoint], view: StudyView | None = None) -> list[str]:
    """Write ``studies/<study>/``, tell W&B, and return what the screen says of it at the end.

    ``view``: of the points as they are now, if it is known already. The last line has the page's
    path.
    """
    config, folder = points[0].config, points[0].config.study_folder
    view = note_looks(declare(view or view_of(points), folder), folder)
    is_told = config.tracking.mode != "off"
    page = write_report(view, folder, _load_wandb if is_told else None)
    if view.guard and view.guard.confounds:
        print(f"confounded: {view.guard.complaint}", file=sys.stderr)
    if is_told:
        # Imported only here: with tracking=off nothing loads W&B.
        from vgglab.workflow.wandb_study import publish_study

        publish_study(config, view, folder)
    # The record that the page was written from: judged once, the same on the screen.
    record = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    return [*screen_lines(view, record), "", f"report: {page}"]


def _load_wandb() -> None:
    """Load, which takes more than a second, what will tell W&B."""
    importlib.import_module("vgglab.workflow.wandb_study")
    importlib.import_module("vgglab.tracking.wandb_internals").remember_packages()
