"""``task=report`` and ``task=dashboard``: what is written of a study, here and in W&B."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vgglab.report import write_report

if TYPE_CHECKING:
    from vgglab.config import Config
    from vgglab.workflow.points import StudyPoint


def folder_of(config: Config) -> Path:
    """``studies/<study>/``."""
    return Path(config.paths.studies) / config.study.name


def write_study_report(points: Sequence[StudyPoint]) -> Path:
    """Write ``studies/<study>/``, tell W&B, and return the path of its page."""
    from vgglab.workflow.points import view_of

    config, view = points[0].config, view_of(points)
    page = write_report(view, folder_of(config))
    if view.guard and view.guard.confounds:
        print(f"confounded: {view.guard.complaint}", file=sys.stderr)
    if config.tracking.mode != "off":
        from vgglab.workflow.wandb_study import publish_study

        publish_study(config, view, folder_of(config))
    return page


def save_dashboard(points: Sequence[StudyPoint]) -> list[str]:
    """Save a study's dashboard and report to the user's W&B; their addresses.

    Raises:
        ConfigError: the server did not take them.
    """
    from vgglab.tracking import dashboard
    from vgglab.workflow.points import view_of
    from vgglab.workflow.wandb_study import dashboard_of

    config, view = points[0].config, view_of(points)
    folder = folder_of(config)
    spec = dashboard_of(config, view, folder)
    dashboard.write(spec, folder)
    return dashboard.save(spec, config.tracking, folder)
