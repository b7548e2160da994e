"""The points of a sweep whose sweeper chooses them: trained batch after batch, with no report.

No task of its own: Hydra's launcher calls it with each batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.launch.chosen import PointFailed, failed
from vgglab.runs.records import lowest_validation_error
from vgglab.streams import plain_console
from vgglab.workflow.confound_check import refuse_mixed_code
from vgglab.workflow.places import refuse_files_of_runs, refuse_unwritable_points
from vgglab.workflow.points import StudyPoint, compose_points
from vgglab.workflow.train_points import finish, say, say_what_is_missing, why_not_done
from vgglab.workflow.useless_schedule import refuse_useless_schedules


class ChosenPoints:
    """The points of a sweep whose sweeper chooses them by the errors of those before.

    No study: there are no looks, and no claim may rest on points that were chosen by their errors.
    """

    def __init__(self, sweeper: str, slurm: Mapping[str, Any] | None = None) -> None:
        self._sweeper, self._slurm = sweeper, slurm
        self._console = plain_console()
        self._points: list[StudyPoint] = []

    def train(self, batch: Sequence[Sequence[str]]) -> list[float | ConfigError | PointFailed]:
        """Train what is missing of a batch of points.

        Args:
            batch: the overrides of each point.

        Returns:
            For each point its lowest validation error (``lowest_validation_error``), or why it has
            none; in the batch's order, a point that is there twice included.

        Raises:
            ConfigError: the points ask for what only a study has, or their code differs from that
                of earlier ones, or nothing can be written where their runs or data are to be.
        """
        found = [_point_or_mistake(overrides) for overrides in batch]
        points = list({p.directory.id: p for p in found if isinstance(p, StudyPoint)}.values())
        self._points += points
        if points:
            _refuse_questions_of_a_study(points[0].config, self._sweeper)
            refuse_mixed_code(self._points)
            refuse_unwritable_points(p.config for p in points if not p.is_done)
            refuse_files_of_runs(p.directory for p in points)
        done = sum(point.is_done for point in points)
        say(self._console, f"{self._sweeper} chose {len(batch)} points, {done} already done")
        failures: list[StudyPoint] = []
        while not failures and (missing := [p for p in points if not p.is_done]):
            failures = finish(missing, self._console, self._slurm)
        say_what_is_missing(failures, self._console)
        return [self._told(point) for point in found]

    def _told(self, point: StudyPoint | ConfigError) -> float | ConfigError | PointFailed:
        if isinstance(point, ConfigError):
            say(self._console, f"a point is refused: {point}")
            failed.add(str(point))
            return point
        name = point.directory.id
        if not point.is_done:
            failed.add(name)
            return PointFailed(f"{name}: {why_not_done(point)}")
        failed.discard(name)  # it was asked for again
        error = lowest_validation_error(point.directory, point.config.data.classes)
        say(self._console, f"{name}: lowest validation error {error:.2f}%")
        return error


def _point_or_mistake(overrides: Sequence[str]) -> StudyPoint | ConfigError:
    try:
        (point,) = compose_points([overrides])
        refuse_useless_schedules([point.config])
    except ConfigError as error:
        return error
    return point


def _refuse_questions_of_a_study(config: Config, sweeper: str) -> None:
    study = config.study
    asked = {
        f"study.looks = {list(study.looks)}": bool(study.looks),
        "study.placebo = true": study.placebo,
        f"study.tune = {', '.join(study.tune)}": bool(study.tune),
        "launcher.wait = false": config.launcher.name == "slurm" and not config.launcher.wait,
    }
    if wrong := [field for field, is_asked in asked.items() if is_asked]:
        raise ConfigError(
            f"{', '.join(wrong)}: {sweeper} chooses each point by the errors of those before, and "
            "waits for them; leave it out, or take hydra/sweeper=designs"
        )
