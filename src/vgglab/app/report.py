"""``task=report`` and ``task=dashboard``: what is written of a study, here and in W&B."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vgglab.report import write_report

if TYPE_CHECKING:
    from vgglab.app.study import StudyPoint
    from vgglab.config import Config


def folder_of(config: Config) -> Path:
    """``studies/<study>/``."""
    return Path(config.paths.studies) / config.study.name


def write_study_report(points: Sequence[StudyPoint]) -> Path:
    """Write ``studies/<study>/``, tell W&B, and return the path of its page."""
    from vgglab.app.study import view_of

    config, view = points[0].config, view_of(points)
    page = write_report(view, folder_of(config))
    if view.guard and view.guard.confounds:
        print(f"confounded: {view.guard.complaint}", file=sys.stderr)
    if config.tracking.mode != "off":
        from vgglab.app.publish import publish_study

        publish_study(config, view, folder_of(config))
    return page


def save_dashboard(points: Sequence[StudyPoint]) -> list[str]:
    """Save a study's dashboard and report to the user's W&B; their addresses.

    Raises:
        ConfigError: the server did not take them.
    """
    from vgglab.app.publish import dashboard_of
    from vgglab.app.study import view_of
    from vgglab.tracking import dashboard

    config, view = points[0].config, view_of(points)
    folder = folder_of(config)
    spec = dashboard_of(config, view, folder)
    dashboard.write(spec, folder)
    return dashboard.save(spec, config.tracking, folder)
