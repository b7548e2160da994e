"""The study that a command names, and its runs."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.runs import RunDirectory
from vgglab.workflow.compose import grid_of_this_command, has_sweep, is_typed, not_launched

if TYPE_CHECKING:
    from vgglab.workflow.points import StudyPoint


def points_of_this_command(leave_out: tuple[str, ...] = ()) -> list[StudyPoint]:
    """Every distinct run of the sweep that this command names.

    With what its nets were tuned to. Overrides that begin with one of ``leave_out`` are the
    command's own and not of its points.

    Raises:
        ConfigError: no sweep is named, or a point of it is wrong.
    """
    # Not above: it loads the tables of a study, of which a command on all runs knows nothing.
    from vgglab.workflow.tuning import tuned_points

    return tuned_points(grid_of_this_command(leave_out))


def runs_of_this_command(config: Config) -> list[RunDirectory]:
    """The runs of the sweep that this command names; without one, every run of ``paths.runs``.

    Raises:
        ConfigError: a point of the sweep is wrong, or the study that is named is not there: all
            runs are not what was meant.
    """
    if has_sweep():
        return [point.directory for point in points_of_this_command()]
    if is_typed("study.name"):
        why = not_launched(config.study.name, config.paths.studies)
        raise ConfigError(f"{why}; leave it out for all runs")
    # By their parts, which is how paths are ordered, taken once of each.
    statuses = sorted(config.paths.runs_folder.glob("*/status.json"), key=attrgetter("parts"))
    return [RunDirectory(path.parent) for path in statuses]
