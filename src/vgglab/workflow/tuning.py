"""The tuning runs of a study, and its points with what they chose."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from vgglab.config import flatten, plain
from vgglab.config.parse import ConfigError
from vgglab.runs.records import lowest_validation_error
from vgglab.study import Candidate, Tuning, net_of
from vgglab.study.tuning import Values
from vgglab.workflow.compose import files_read_once
from vgglab.workflow.points import StudyPoint, compose_points, with_values


@dataclass(frozen=True)
class TuningPlan:
    """The tuning runs of a study: every net with every setting."""

    fields: tuple[str, ...]
    points: dict[tuple[Values, Values], list[StudyPoint]]
    """Net and setting -> its tuning runs, one a tuning seed."""

    @cached_property
    def all_points(self) -> list[StudyPoint]:
        """Every tuning run, the longest nets as early as in the study's grid."""
        return [point for points in self.points.values() for point in points]

    def tuning(self) -> Tuning:
        """What became of them by now."""
        return Tuning(
            [
                Candidate(
                    net, setting, {point.config.seed: _validation_error(point) for point in points}
                )
                for (net, setting), points in self.points.items()
            ]
        )


def tuning_plan(points: Sequence[StudyPoint]) -> TuningPlan | None:
    """The tuning runs of the study of these points; None where it is not tuned.

    Raises:
        ConfigError: a value is not allowed.
    """
    study = points[0].config.study
    if not study.tune:
        return None
    fields = tuple(study.tune)
    nets: dict[Values, StudyPoint] = {}
    for point in points:
        nets.setdefault(net_of(point.config, fields), point)
    found: dict[tuple[Values, Values], list[StudyPoint]] = {}
    with files_read_once():
        for (net, point), values in itertools.product(
            nets.items(), itertools.product(*study.tune.values())
        ):
            setting = tuple(zip(fields, values, strict=True))
            found[net, setting] = [
                with_values(point, {**dict(setting), "seed": seed}) for seed in study.tuning_seeds
            ]
    return TuningPlan(fields, found)


def first_to_train(points: Sequence[StudyPoint], unneeded: Collection[str]) -> list[StudyPoint]:
    """What a launch of a study begins with: its tuning runs, which have every setting that its
    points may come to have; where it is not tuned, its points.

    Args:
        points: all of the study.
        unneeded: ids of those that it has dropped.
    """
    plan = tuning_plan(points)
    return plan.all_points if plan else [p for p in points if p.directory.id not in unneeded]


def refuse_wrong_tuning(points: Sequence[StudyPoint]) -> None:
    """Let a study be tuned only by what its own points leave open. Of its points as composed.

    Raises:
        ConfigError: its grid varies a tuned field, has a tuning seed, or a field does not exist.
    """
    study, batch = points[0].config.study, "recipe.batch_size"
    if not study.tune:
        return
    fields = [dict(flatten(plain(p.config))) for p in points]
    for field in study.tune:
        if field not in fields[0]:
            raise ConfigError(f"study.tune = {field}: no such field of a run")
        if len({of_point[field] for of_point in fields}) > 1:
            raise ConfigError(
                f"study.tune = {field}: the grid varies it as well; a field is tuned or asked about"
            )
    if batch in study.tune and any(p.config.trainer.accumulate > 1 for p in points):
        raise ConfigError(
            f"study.tune = {batch}: the parts of a step would differ with it; leave out "
            "micro_batch and trainer.accumulate"
        )
    seeds = {p.config.seed for p in points}
    if both := seeds & set(study.tuning_seeds):
        raise ConfigError(
            f"study.tuning_seeds = {list(study.tuning_seeds)}: seed {min(both)} is one of the "
            "grid; a net is tuned on seeds of its own"
        )


def tuned_points(grid: Sequence[Sequence[str]]) -> list[StudyPoint]:
    """Every distinct run of a grid, with what its nets were tuned to.

    Raises:
        ConfigError: a point is wrong, or the study may not be tuned so.
    """
    points = compose_points(grid)
    refuse_wrong_tuning(points)
    return with_chosen(points)


def with_chosen(points: Sequence[StudyPoint]) -> list[StudyPoint]:
    """The points of a study with the setting that each net was tuned to.

    As they are where the study is not tuned, or some tuning run has no outcome yet.
    """
    plan = tuning_plan(points)
    chosen = plan.tuning().chosen if plan else {}
    if not plan or not chosen:
        return list(points)
    return [with_values(point, dict(chosen[net_of(point.config, plan.fields)])) for point in points]


def control_points(
    points: Sequence[StudyPoint], plan: TuningPlan | None = None
) -> list[StudyPoint]:
    """The points of a tuned study with one setting for all nets, in the order of the points.

    Empty where it is not asked for, or not known yet. ``plan``: of these points, if it is known.
    """
    plan = plan or tuning_plan(points)
    if not plan or not points[0].config.study.tuning_control:
        return []
    setting = plan.tuning().one_for_all
    return [with_values(point, dict(setting)) for point in points] if setting else []


def _validation_error(point: StudyPoint) -> float | None:
    if not point.directory.read_status().state.is_outcome:
        return None
    return lowest_validation_error(point.directory, point.config.data.classes)
