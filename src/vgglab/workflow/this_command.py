"""The study that a command names, and its runs."""

from __future__ import annotations

from vgglab.config import Config
from vgglab.runs import RunDirectory
from vgglab.workflow.compose import grid_of_this_command, has_sweep
from vgglab.workflow.points import StudyPoint
from vgglab.workflow.tuning import tuned_points


def points_of_this_command(leave_out: tuple[str, ...] = ()) -> list[StudyPoint]:
    """Every distinct run of the sweep that this command names.

    With what its nets were tuned to. Overrides that begin with one of ``leave_out`` are the
    command's own and not of its points.

    Raises:
        ConfigError: no sweep is named, or a point of it is wrong.
    """
    return tuned_points(grid_of_this_command(leave_out))


def runs_of_this_command(config: Config) -> list[RunDirectory]:
    """The runs of the sweep that this command names; without one, every run of ``paths.runs``.

    Raises:
        ConfigError: a point of the sweep is wrong.
    """
    if has_sweep():
        return [point.directory for point in points_of_this_command()]
    statuses = sorted(config.paths.runs_folder.glob("*/status.json"))
    return [RunDirectory(path.parent) for path in statuses]
