"""The points of a study: from the overrides of a sweep to checked configs and their runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vgglab import machine
from vgglab.config import Config
from vgglab.config.parent import ancestors
from vgglab.config.parse import ConfigError
from vgglab.launch.pool import Point, PointResources, overrides_of
from vgglab.runs import RunDirectory
from vgglab.workflow.compose import compose_point, grid_of_this_command, has_sweep
from vgglab.workflow.evaluation import is_done
from vgglab.workflow.gpus import usable_gpus
from vgglab.workflow.pretraining import Stage, stage_of, stages_of, still_to_train


@dataclasses.dataclass(frozen=True)
class StudyPoint:
    """A point with its checked config."""

    point: Point
    stage: Stage

    @property
    def directory(self) -> RunDirectory:
        """The folder of its run."""
        return self.point.directory

    @property
    def config(self) -> Config:
        """The resolved config of its run."""
        return self.stage.config

    @property
    def is_done(self) -> bool:
        """Whether it has an outcome and, if it trained, every test that it asks for."""
        return is_done(self.config, self.directory)


def compose_points(grid: Sequence[Sequence[str]]) -> list[StudyPoint]:
    """Every distinct run of a grid, checked, in the grid's order.

    Raises:
        ConfigError: one of them is wrong, or they are not points of a training study.
    """
    points: dict[str, StudyPoint] = {}
    for overrides in grid:
        config = compose_point(overrides)
        if config.task.name != "train":
            raise ConfigError(f"task={config.task.name}: works on a whole study; leave out -m")
        point = _point(stage_of(config), overrides)
        points.setdefault(point.directory.id, point)
    return list(points.values())


def points_of_this_command(leave_out: tuple[str, ...] = ()) -> list[StudyPoint]:
    """Every distinct run of the sweep that this command names.

    Overrides that begin with one of ``leave_out`` are the command's own and not of its points.

    Raises:
        ConfigError: no sweep is named, or a point of it is wrong.
    """
    return compose_points(grid_of_this_command(leave_out))


def runs_of_this_command(config: Config) -> list[RunDirectory]:
    """The runs of the sweep that this command names; without one, every run of ``paths.runs``.

    Raises:
        ConfigError: a point of the sweep is wrong.
    """
    if has_sweep():
        return [point.directory for point in points_of_this_command()]
    statuses = sorted(config.paths.runs_folder.glob("*/status.json"))
    return [RunDirectory(path.parent) for path in statuses]


def _point(stage: Stage, overrides: Sequence[str]) -> StudyPoint:
    return StudyPoint(Point(stage.directory, tuple(overrides)), stage)


def still_to_do(points: Sequence[StudyPoint]) -> list[StudyPoint]:
    """Points without an outcome, after the runs that their first weights come from.

    Those need not be points of the study; each is there once, however many start from it.
    """
    of_study = {point.directory.id: point for point in points}
    found: dict[str, StudyPoint] = {}
    for point in points:
        stages = stages_of(point.config)
        # Trained, it may still have to be tested.
        todo = still_to_train(stages) or ([] if point.is_done else stages[-1:])
        for stage in todo:
            back = len(stages) - 1 - stages.index(stage)
            overrides = [*point.point.overrides, f"task.ancestor={back}"]
            known = of_study.get(stage.directory.id) or _point(stage, overrides)
            # The first of them waits for no other run: its parent is done, or needed no more.
            after = stage.parent if stage is not todo[0] else None
            waits = dataclasses.replace(known.point, after=after)
            found.setdefault(stage.directory.id, dataclasses.replace(known, point=waits))
    # By the length of their chains, else in the grid's order: parents come first.
    return sorted(found.values(), key=lambda p: len(ancestors(p.config)))


def slots_of(config: Config, points: int) -> PointResources:
    """How many of so many points run at a time: as asked, else as GPUs or cores suffice for."""
    gpus = usable_gpus() if config.trainer.accelerator == "gpu" else ()
    fitting = max(1, (len(gpus) or machine.cores()) // config.devices)
    jobs = min(config.launcher.jobs or fitting, points)
    threads = max(1, machine.cores() // (jobs * config.devices))
    return PointResources(jobs=jobs, threads=threads, gpus=gpus, devices=config.devices)


def resolved_overrides(config: Config) -> list[str]:
    """What this process has decided for its points, put before their own overrides.

    So a point's run has the name that this process gave it.
    """
    return overrides_of(
        {
            "devices": config.devices,
            "trainer.accelerator": config.trainer.accelerator,
            "trainer.precision": config.trainer.precision,
            "trainer.progress": "false",
        }
    )
