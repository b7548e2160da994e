"""A study: from the points of a sweep to their runs, and from the runs to the report."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from vgglab import machine
from vgglab.config import Config, plain
from vgglab.config.parent import ancestors
from vgglab.config.parse import ConfigError
from vgglab.data.sources.registry import load_splits
from vgglab.launch import slurm as slurm_jobs
from vgglab.launch.pool import Point, PointResources, Pool, overrides_of
from vgglab.launch.screen import StudyScreen
from vgglab.runs import RunDirectory, State, load_run
from vgglab.signals import raise_on_stop
from vgglab.study import MissingPoint, StudyView
from vgglab.tracking.local_files import waits_for_upload
from vgglab.workflow.compose import compose_point, composed_claims
from vgglab.workflow.confound_check import guard_study, refuse_confounds
from vgglab.workflow.evaluation import is_done
from vgglab.workflow.pretraining import Stage, mark_pending, stage_of, stages_of, still_to_train


@dataclasses.dataclass(frozen=True)
class StudyPoint:
    """A point with its checked config."""

    point: Point
    stage: Stage

    @property
    def directory(self) -> RunDirectory:
        return self.point.directory

    @property
    def config(self) -> Config:
        return self.stage.config

    @property
    def is_done(self) -> bool:
        """Trained, or known not to train, and tested under every protocol that it asks for."""
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
            # The first of them waits for nobody: its parent is done, or needed no more.
            after = stage.parent if stage is not todo[0] else None
            waits = dataclasses.replace(known.point, after=after)
            found.setdefault(stage.directory.id, dataclasses.replace(known, point=waits))
    # By the length of their chains, else in the grid's order: parents come first.
    return sorted(found.values(), key=lambda p: len(ancestors(p.config)))


def run_study(
    grid: Sequence[Sequence[str]], root: Path, slurm: Mapping[str, Any] | None = None
) -> int:
    """Train what is missing of a study and write its report; the exit code.

    On this machine, or by SLURM with these options of its job array.

    0: every point has an outcome. 1: some failed or were interrupted; run again to finish them.
    """
    console = Console()
    points = compose_points(grid)
    refuse_confounds(points)
    first = points[0].config
    todo = still_to_do(points)
    missing = {p.directory.id for p in todo} & {p.directory.id for p in points}
    _say(
        console,
        f"study {first.study.name}: {len(points)} points, "
        f"{len(points) - len(missing)} already done",
    )
    if len(todo) > len(missing):
        _say(console, f"{len(todo) - len(missing)} runs that others start from come first")
    if todo:
        # Downloaded or generated once, before the points would all want it at the same time.
        for data in {repr(p.config.data): p.config.data for p in todo}.values():
            load_splits(data, Path(first.paths.data))
        if slurm is None:
            _train(todo, root, console)
        elif not train_on_slurm(todo, root, slurm, console):
            return 0
    asked = {p.directory.id: p for p in (*todo, *points)}.values()
    failures = [p for p in asked if not p.is_done]
    from vgglab.workflow.reporting import write_study_report

    page = write_study_report(points)
    for failed in failures:
        status = failed.directory.read_status()
        reason = "a test is missing" if status.state.is_outcome else status.reason
        _say(console, f"{failed.directory.id}: {status.state}: {reason}")
        _say(console, f"    log: {failed.directory.log}")
    if failures:
        _say(console, "run the same command again to finish what is missing")
    if first.tracking.mode == "online":
        waiting = sum(waits_for_upload(p.directory.path) for p in points)
        if waiting:
            _say(console, f"W&B has not all of {waiting} runs: task=sync uploads them")
    _say(console, f"report: {page}")
    return 1 if failures else 0


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def slots_of(config: Config, points: int) -> PointResources:
    """How many points at a time: as asked, else as many as GPUs or cores suffice for."""
    gpus = machine.gpus() if config.trainer.accelerator == "gpu" else 0
    fitting = max(1, (gpus or machine.cores()) // config.devices)
    jobs = min(config.launcher.jobs or fitting, points)
    threads = max(1, machine.cores() // (jobs * config.devices))
    return PointResources(jobs=jobs, threads=threads, gpus=gpus, devices=config.devices)


def _train(todo: Sequence[StudyPoint], root: Path, console: Console) -> None:
    config = todo[0].config
    slots = slots_of(config, len(todo))
    # What this process resolved, so that a point's run has the name that this process gave it.
    resolved = [*resolved_overrides(config), f"trainer.threads={slots.threads}"]
    points = [p.point for p in todo]
    for point in todo:
        mark_pending(point.stage)
    with (
        raise_on_stop("the running points write their checkpoints; once more ends them at once"),
        StudyScreen(config.study.name, points, console) as screen,
        contextlib.closing(Pool(root, slots, resolved).run(points)) as looks,
    ):
        for running, ended in looks:
            screen.update(running, ended)


def resolved_overrides(config: Config) -> list[str]:
    """What this process has decided for its points, put before their own."""
    return overrides_of(
        {
            "devices": config.devices,
            "trainer.accelerator": config.trainer.accelerator,
            "trainer.precision": config.trainer.precision,
            "trainer.progress": "false",
        }
    )


def train_on_slurm(
    todo: Sequence[StudyPoint], root: Path, options: Mapping[str, Any], console: Console
) -> bool:
    """Submit what is missing; whether it was waited for."""
    config = todo[0].config
    points = [p.point for p in todo]
    jobs = slurm_jobs.submit(
        points, resolved_overrides(config), root, slurm_options(config, options)
    )
    for point, job in zip(todo, jobs, strict=True):
        mark_pending(point.stage, f"SLURM job {job}")
        _say(console, f"{point.directory.id}: SLURM job {job}")
    if not config.launcher.wait:
        _say(
            console,
            f"see what becomes of them: python run.py task=runs paths.runs={config.paths.runs}",
        )
        return False
    with StudyScreen(config.study.name, points, console) as screen:
        slurm_jobs.wait_for(jobs, lambda: screen.update(*_at_work(points)))
    return True


def _at_work(points: Sequence[Point]) -> tuple[list[Point], list[Point]]:
    """Points that are being trained, and those that are done."""
    states = [(point, point.directory.read_status().state) for point in points]
    running = [point for point, state in states if state is State.RUNNING]
    return running, [point for point, state in states if state.is_outcome]


def slurm_options(config: Config, options: Mapping[str, Any]) -> dict[str, Any]:
    """The job array's options with what follows from the run: tasks, GPUs, jobs at a time.

    Raises:
        ConfigError: the launcher is not installed.
    """
    if "folder" not in options:
        raise ConfigError(
            "launcher=slurm needs hydra-submitit-launcher: pip install 'vgglab[slurm]'"
        )
    derived: dict[str, Any] = {"tasks_per_node": config.devices}
    if config.trainer.accelerator == "gpu" and not options["gpus_per_node"]:
        derived["gpus_per_node"] = config.devices
    if config.launcher.jobs:
        derived["slurm_array_parallelism"] = config.launcher.jobs
    return {**options, **derived}


def view_of(points: Sequence[StudyPoint]) -> StudyView:
    """What the report room is handed: records of the runs there are, configs of those missing."""
    study = points[0].config.study
    present = [p for p in points if p.directory.config.exists()]
    missing = [p for p in points if not p.directory.config.exists()]
    return StudyView(
        name=study.name,
        asks=study.asks,
        paper=study.paper,
        claims=composed_claims(points[0].point.overrides),
        runs=tuple(load_run(p.directory.path) for p in present),
        missing=tuple(MissingPoint(p.directory.id, plain(p.config)) for p in missing),
        guard=guard_study(points),
    )
