"""A study: from the points of a sweep to their runs, and from the runs to the report."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from vgglab import machine
from vgglab.app.compose import compose_point
from vgglab.app.tracked import plain
from vgglab.app.train import directory_of
from vgglab.config import Config
from vgglab.config.check import ConfigError
from vgglab.data.sources import load_splits
from vgglab.launch.pool import Point, Pool, Slots, overrides_of
from vgglab.launch.screen import StudyScreen
from vgglab.runs import RunDirectory, State, Status, load_run
from vgglab.study import MissingPoint, StudyView


@dataclasses.dataclass(frozen=True)
class StudyPoint:
    """A point with its checked config."""

    point: Point
    config: Config

    @property
    def directory(self) -> RunDirectory:
        return self.point.directory


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
        directory = directory_of(config)
        points.setdefault(directory.id, StudyPoint(Point(directory, tuple(overrides)), config))
    return list(points.values())


def run_study(grid: Sequence[Sequence[str]], root: Path) -> int:
    """Train what is missing of a study and write its report; the exit code.

    0: every point has an outcome. 1: some failed or were interrupted; run again to finish them.
    """
    console = Console()
    points = compose_points(grid)
    first = points[0].config
    todo = [p for p in points if not p.directory.read_status().state.is_outcome]
    _say(
        console,
        f"study {first.study.name}: {len(points)} points, {len(points) - len(todo)} already done",
    )
    if todo:
        # Downloaded or generated once, before the points would all want it at the same time.
        for data in {repr(p.config.data): p.config.data for p in todo}.values():
            load_splits(data, Path(first.paths.data))
        _train(todo, root, console)
    failures = [p for p in points if not p.directory.read_status().state.is_outcome]
    from vgglab.app.report import write_study_report

    page = write_study_report(points)
    for failed in failures:
        status = failed.directory.read_status()
        _say(console, f"{failed.directory.id}: {status.state}: {status.reason}")
        _say(console, f"    log: {failed.directory.log}")
    if failures:
        _say(console, "run the same command again to finish what is missing")
    _say(console, f"report: {page}")
    return 1 if failures else 0


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def slots_of(config: Config, points: int) -> Slots:
    """How many points at a time: as asked, else one a GPU, or one a core with one thread each."""
    gpus = machine.gpus() if config.trainer.accelerator == "gpu" else 0
    jobs = min(config.launcher.jobs or gpus or machine.cores(), points)
    return Slots(jobs=jobs, threads=max(1, machine.cores() // jobs), gpus=gpus)


def _train(todo: Sequence[StudyPoint], root: Path, console: Console) -> None:
    config = todo[0].config
    slots = slots_of(config, len(todo))
    # What this process resolved, so that a point's run has the name that this process gave it.
    resolved = overrides_of(
        {
            "trainer.accelerator": config.trainer.accelerator,
            "trainer.precision": config.trainer.precision,
            "trainer.threads": slots.threads,
            "trainer.progress": "false",
        }
    )
    points = [p.point for p in todo]
    for point in todo:
        _mark_pending(point)
    with (
        StudyScreen(config.study.name, points, console) as screen,
        contextlib.closing(Pool(root, slots, resolved).run(points)) as looks,
    ):
        for running, ended in looks:
            screen.update(running, ended)


def _mark_pending(point: StudyPoint) -> None:
    """A point that waits for its turn is in the ledger, with the epochs it will take."""
    if not point.directory.status.exists():
        Status(state=State.PENDING, epochs=point.config.recipe.epochs).write(point.directory.status)


def view_of(points: Sequence[StudyPoint]) -> StudyView:
    """What the report room is handed: records of the runs there are, configs of those missing."""
    study = points[0].config.study
    present = [p for p in points if p.directory.config.exists()]
    missing = [p for p in points if not p.directory.config.exists()]
    return StudyView(
        name=study.name,
        asks=study.asks,
        paper=study.paper,
        runs=tuple(load_run(p.directory.path) for p in present),
        missing=tuple(MissingPoint(p.directory.id, plain(p.config)) for p in missing),
    )
