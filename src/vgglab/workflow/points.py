"""The points of a study: from the overrides of a sweep to checked configs and their runs."""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from vgglab import machine
from vgglab.config import Config, plain
from vgglab.config.claims import Claims
from vgglab.config.parent import ancestors
from vgglab.config.parse import ConfigError, parse
from vgglab.forks import in_forks
from vgglab.launch.pool import Point, PointResources, overrides_of
from vgglab.runs import RunDirectory
from vgglab.workflow.compose import Composed, compose_arm, files_read_once
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
    claims: Claims = dataclasses.field(default_factory=dict, compare=False)
    """Of its study, as composed with it."""
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
    for overrides, composed in zip(grid, _composed(grid), strict=True):
        if composed.config.task.name != "train":
            name = composed.config.task.name
            raise ConfigError(f"task={name}: works on a whole study; leave out -m")
        point = _point(overrides, composed)
        points.setdefault(point.directory.id, point)
    return list(points.values())


def _composed(grid: Sequence[Sequence[str]]) -> list[Composed]:
    """Each point of a grid, composed.

    That takes Hydra a fifth of a second, so that it is done on all cores. Of points that differ in
    their seed alone the first is composed, and the others follow from it, where nothing else is
    made of the seed: by what is written of each, and by the last point of the first of them,
    composed as well.
    """
    arms: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, overrides in enumerate(grid):
        arms[tuple(o for o in overrides if not o.startswith(SEED))].append(index)
    found: dict[int, Composed] = {}

    def compose_all(wanted: Sequence[int]) -> None:
        composed = in_forks(compose_arm, [grid[index] for index in wanted])
        found.update(zip(wanted, composed, strict=True))

    with files_read_once():
        compose_all(range(len(grid))[:1])  # forks of this process then know the files
        firsts = [members[0] for members in arms.values()]
        last = next(iter(arms.values()), [0])[-1]
        compose_all([index for index in dict.fromkeys((*firsts, last)) if index not in found])
        seed_is_all = not grid or _differ_in_seed_alone(found[0].config, found[last].config)
        follow = {
            index: members[0]
            for members in arms.values()
            if seed_is_all and not found[members[0]].interpolations.may_use("seed")
            for index in members
            if _seed_of(grid[index]) is not None
        }
        compose_all([i for i in range(len(grid)) if i not in found and i not in follow])
    for index, first in follow.items():
        if index not in found:
            found[index] = _with_fields(found[first], {"seed": _seed_of(grid[index])})
    return [found[index] for index in range(len(grid))]


def _differ_in_seed_alone(config: Config, other: Config) -> bool:
    return other == dataclasses.replace(config, seed=other.seed)


def _seed_of(overrides: Sequence[str]) -> int | None:
    """The seed of a point, where one override of it is a number."""
    seeds = [o.removeprefix(SEED) for o in overrides if o.startswith(SEED)]
    return int(seeds[0]) if len(seeds) == 1 and seeds[0].isdigit() else None


def _point(overrides: Sequence[str], composed: Composed) -> StudyPoint:
    stage = stage_of(composed.config)
    point = Point(stage.directory, tuple(overrides))
    return StudyPoint(point, stage, composed.claims, composed.interpolations)


def with_values(point: StudyPoint, values: Mapping[str, Any]) -> StudyPoint:
    """The same point with other values of some fields, by their dotted names.

    Composed as its process composes it where anything is made of such a field; to compose takes a
    fifth of a second, so that elsewhere its config alone is changed.

    Raises:
        ConfigError: a value is not allowed.
    """
    overrides = [*point.point.overrides, *overrides_of(values)]
    if any(map(point.interpolations.may_use, values)):
        return _point(overrides, compose_arm(overrides))
    composed = Composed(point.config, point.claims, point.interpolations)
    return _point(overrides, _with_fields(composed, values))


def _with_fields(composed: Composed, values: Mapping[str, Any]) -> Composed:
    """The same with other values of some fields of its config, checked anew."""
    tree = plain(composed.config)
    for field, value in values.items():
        *groups, name = field.split(".")
        functools.reduce(lambda node, group: node[group], groups, tree)[name] = value
    return dataclasses.replace(composed, config=parse(tree))


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
            known = of_study.get(stage.directory.id) or StudyPoint(
                Point(stage.directory, tuple(overrides)), stage
            )
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
