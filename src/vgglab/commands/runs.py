"""``task=runs``: the state of every run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from vgglab.config import Config
from vgglab.launch.screen import status_table
from vgglab.runs import State, Status
from vgglab.workflow.compose import has_sweep
from vgglab.workflow.output import print_rows, screen
from vgglab.workflow.this_command import points_of_this_command, runs_of_this_command

if TYPE_CHECKING:
    from vgglab.workflow.points import StudyPoint

COLUMNS = (
    "run", "state", "epoch", "epochs", "validation_error", "disk_bytes", "attempts", "host",
    "parent", "reason",
)  # fmt: skip
"""Columns of ``format=csv``; JSON has every field of ``status.json``."""


def runs(config: Config) -> None:
    """Print the runs of ``paths.runs``, or of the study that is named."""
    points = points_of_this_command() if has_sweep() else []
    directories = [p.directory for p in points] or runs_of_this_command(config)
    found = [(directory.id, directory.read_status()) for directory in directories]
    unneeded = unneeded_points(points)
    for name, status in found:
        if name in unneeded:
            status.state = State.UNNEEDED
    rows: list[dict[str, Any]] = []
    if config.format != "table":  # which has no need of them: of thousands they take seconds
        rows = [{"run": name} | dataclasses.asdict(status) for name, status in found]
    elif not found:
        print(f"no runs in {config.paths.runs}")
        return
    print_rows(rows, config.format, tables=lambda: [_table(found)], columns=COLUMNS)


def _table(found: Sequence[tuple[str, Status]]) -> RenderableType:
    return status_table(found, width=screen().width, with_sizes=True)


def unneeded_points(points: Sequence[StudyPoint]) -> set[str]:
    """Ids of the points that their study has dropped; none without a study with looks."""
    if not (points and points[0].config.study.looks):
        return set()
    from vgglab.workflow.reporting import view_of  # with all of a report: two seconds

    return view_of(points).unneeded
