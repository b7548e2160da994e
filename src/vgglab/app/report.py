"""``task=report``: the report of what has finished of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vgglab.report import write_report

if TYPE_CHECKING:
    from vgglab.app.study import StudyPoint


def write_study_report(points: Sequence[StudyPoint]) -> Path:
    """Write ``studies/<sweep>/`` and return the path of its page."""
    from vgglab.app.study import view_of

    config = points[0].config
    return write_report(view_of(points), Path(config.paths.studies) / config.study.name)
