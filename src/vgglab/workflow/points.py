"""The points of a study: from the overrides of a sweep to checked configs and their runs."""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from vgglab import machine
from vgglab.config import Config, plain
from vgglab.config.parent import ancestors
from vgglab.config.parse import ConfigError, parse
from vgglab.launch.pool import Point, PointResources, overrides_of
from vgglab.runs import RunDirectory
from vgglab.workflow.compose import compose_arm, compose_point, files_read_once
from vgglab.workflow.evaluation import is_done
from vgglab.workflow.gpus import card_bytes, usable_gpus
from vgglab.workflow.interpolations import NONE, Interpolations
from vgglab.workflow.micro_batch import CUDA_MIB, ESTIMATE_SHARE, step_bytes
from vgglab.workflow.pretraining import Stage, stage_of, stages_of, still_to_train

SEED = "seed="
"""Begins the override of a seed."""


@dataclasses.dataclass(frozen=True)
class StudyPoint:
    """A point with its checked config."""

    point: Point
    stage: Stage
    interpolations: Interpolations = NONE
    """Of its config as composed."""

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
    for overrides, (config, interpolations) in zip(grid, _composed(grid), strict=True):
        if config.task.name != "train":
            raise ConfigError(f"task={config.task.name}: works on a whole study; leave out -m")
        point = _point(stage_of(config), overrides, interpolations)
        points.setdefault(point.directory.id, point)
    return list(points.values())


def _composed(grid: Sequence[Sequence[str]]) -> list[tuple[Config, Interpolations]]:
    """The config of each point of a grid, and what in it is made of other fields.

    To compose one takes Hydra a fifth of a second. Of points that differ in their seed alone the
    first is composed, and the others follow from it, where nothing else is made of the seed: by
    what is written of each, and by the last point of the first of them, composed as well.
    """
    arms: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, overrides in enumerate(grid):
        arms[tuple(o for o in overrides if not o.startswith(SEED))].append(index)
    with files_read_once():
        return _by_arms(grid, list(arms.values()))


def _by_arms(
    grid: Sequence[Sequence[str]], arms: Sequence[Sequence[int]]
) -> list[tuple[Config, Interpolations]]:
    found: dict[int, tuple[Config, Interpolations]] = {}
    seed_is_all = True
    for members in arms:
        first, last = members[0], members[-1]
        config, interpolations = compose_arm(grid[first])
        if not found and last != first:
            other = compose_point(grid[last])
            seed_is_all = other == dataclasses.replace(config, seed=other.seed)
        uses_seed = interpolations.may_use("seed")
        for index in members:
            seeds = [o.removeprefix(SEED) for o in grid[index] if o.startswith(SEED)]
            follows = seed_is_all and not uses_seed and len(seeds) == 1 and seeds[0].isdigit()
            if index == first:
                found[index] = config, interpolations
            elif follows:
                found[index] = _replaced(config, {"seed": int(seeds[0])}), interpolations
            else:
                found[index] = compose_arm(grid[index])
    return [found[index] for index in range(len(grid))]


def _point(
    stage: Stage, overrides: Sequence[str], interpolations: Interpolations = NONE
) -> StudyPoint:
    return StudyPoint(Point(stage.directory, tuple(overrides)), stage, interpolations)


def with_values(point: StudyPoint, values: Mapping[str, Any]) -> StudyPoint:
    """The same point with other values of some fields, by their dotted names.

    Composed as its process composes it where anything is made of such a field; to compose takes a
    fifth of a second, so that elsewhere its config alone is changed.

    Raises:
        ConfigError: a value is not allowed.
    """
    overrides = [*point.point.overrides, *overrides_of(values)]
    is_used = any(map(point.interpolations.may_use, values))
    config = compose_point(overrides) if is_used else _replaced(point.config, values)
    return _point(stage_of(config), overrides, point.interpolations)


def _replaced(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with other values of some fields, checked anew."""
    tree = plain(config)
    for field, value in values.items():
        *groups, name = field.split(".")
        functools.reduce(lambda node, group: node[group], groups, tree)[name] = value
    return parse(tree)


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


MOST_A_GPU = 8
"""Most points that ``launcher.jobs=auto`` puts on a GPU: they take turns on it."""


def slots_of(configs: Sequence[Config]) -> PointResources:
    """How many of these points run at a time: as asked, else as GPUs or cores suffice for."""
    config = configs[0]
    gpus = usable_gpus() if config.trainer.accelerator == "gpu" else ()
    fitting = max(1, (len(gpus) or machine.cores()) // config.devices)
    asked = config.launcher.jobs
    if asked == "auto":
        shares = gpus and config.devices == 1
        asked = fitting * points_a_gpu(configs, card_bytes(), len(gpus)) if shares else fitting
    jobs = min(asked or fitting, len(configs))
    threads = machine.wanted_threads() or max(1, machine.cores() // (jobs * config.devices))
    return PointResources(jobs=jobs, threads=threads, gpus=gpus, devices=config.devices)


def points_a_gpu(configs: Sequence[Config], card: int, gpus: int) -> int:
    """How many points may share a GPU: each with a core of its own, and all with the largest net.

    Args:
        configs: of the points.
        card: memory of a GPU, bytes.
        gpus: their number.
    """
    largest = max(step_bytes(config, config.trainer.accumulate) for config in configs)
    by_memory = int(ESTIMATE_SHARE * card / (largest + CUDA_MIB * 2**20))
    return max(1, min(by_memory, machine.cores() // gpus, MOST_A_GPU))


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
