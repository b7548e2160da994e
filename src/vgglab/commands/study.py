"""``python run.py -m ...``: a study, from what is missing of it to its report.

No task of its own: Hydra's launcher calls it with the points of the sweep, or with a batch of them
where a sweeper chooses the next points by the errors of the last.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.data.sources.registry import load_splits
from vgglab.launch import slurm as slurm_jobs
from vgglab.launch.chosen import PointFailed, failed, lowest_validation_error
from vgglab.launch.pool import Point, Pool
from vgglab.launch.screen import StudyScreen
from vgglab.runs import State
from vgglab.signals import raise_on_stop
from vgglab.tracking.local_files import waits_for_upload
from vgglab.workflow.confound_check import refuse_confounds, refuse_mixed_code
from vgglab.workflow.gpus import refuse_without_gpus
from vgglab.workflow.look_screen import LookScreen
from vgglab.workflow.looks import declare, next_points, note_looks, null_arm, refuse_few_seeds
from vgglab.workflow.points import (
    StudyPoint,
    compose_points,
    resolved_overrides,
    slots_of,
    still_to_do,
)
from vgglab.workflow.pretraining import mark_pending
from vgglab.workflow.reporting import view_of, write_study_report

JOB = "SLURM job "
"""Begins the reason why a point that was submitted is pending."""
OTHERS_SECONDS = 2.0
"""Between two looks at a point that another process trains."""


def run_study(grid: Sequence[Sequence[str]], slurm: Mapping[str, Any] | None = None) -> int:
    """Train what is missing of a study, look by look where it declares looks; write its report.

    Args:
        grid: the overrides of each point.
        slurm: options of the job array by which SLURM trains it; None: this machine does.

    Returns:
        The exit code. 0: every point that the study needs has an outcome. 1: some failed or were
        interrupted; the same command goes on with them.

    Raises:
        ConfigError: a point is wrong, points differ in what the study does not declare, or there
            are no such GPUs.
    """
    console = Console()
    points = compose_points(grid)
    refuse_confounds(points)
    refuse_few_seeds(points)
    first = points[0].config
    done = sum(point.is_done for point in points)
    _say(console, f"study {first.study.name}: {len(points)} points, {done} already done")
    view = declare(view_of(points), first.study_folder)  # before anything trains
    null = null_arm(points, view)
    told = LookScreen(functools.partial(_say, console))
    failures: list[StudyPoint] = []
    while not failures:
        view = note_looks(view, first.study_folder)
        chosen = next_points(points, view, null)
        told.show(view, {p.directory.id for p in chosen})
        if not chosen:
            break
        todo = still_to_do(chosen)
        if not _carry_out(todo, len({p.directory.id for p in chosen}), slurm, console):
            return 0
        if not wait_for_others(todo, console):
            failures = [p for p in todo if not p.is_done]
        view = view_of(points)
    page = write_study_report(points, view)
    _say_what_is_missing(failures, console)
    if first.tracking.mode == "online":
        waiting = sum(waits_for_upload(p.directory.path) for p in points)
        if waiting:
            _say(console, f"W&B has not all of {waiting} runs: task=sync uploads them")
    _say(console, f"report: {page}")
    return 1 if failures else 0


class ChosenPoints:
    """The points of a sweep whose sweeper chooses them by the errors of those before.

    No study: there are no looks, and no claim may rest on points that were chosen by their errors.
    """

    def __init__(self, sweeper: str, slurm: Mapping[str, Any] | None = None) -> None:
        self._sweeper, self._slurm = sweeper, slurm
        self._console = Console()
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
                of earlier ones.
        """
        found = [_point_or_mistake(overrides) for overrides in batch]
        points = list({p.directory.id: p for p in found if isinstance(p, StudyPoint)}.values())
        self._points += points
        if points:
            _refuse_questions_of_a_study(points[0].config, self._sweeper)
            refuse_mixed_code(self._points)
        done = sum(point.is_done for point in points)
        _say(self._console, f"{self._sweeper} chose {len(batch)} points, {done} already done")
        failures: list[StudyPoint] = []
        while not failures and (missing := [p for p in points if not p.is_done]):
            todo = still_to_do(missing)
            _carry_out(todo, len(missing), self._slurm, self._console)
            if not wait_for_others(todo, self._console):
                failures = [p for p in todo if not p.is_done]
        _say_what_is_missing(failures, self._console)
        return [self._told(point) for point in found]

    def _told(self, point: StudyPoint | ConfigError) -> float | ConfigError | PointFailed:
        if isinstance(point, ConfigError):
            _say(self._console, f"a point is refused: {point}")
            failed.add(str(point))
            return point
        name = point.directory.id
        if not point.is_done:
            failed.add(name)
            return PointFailed(f"{name}: {_why_not_done(point)}")
        failed.discard(name)  # it was asked for again
        error = lowest_validation_error(point.directory, point.config.data.classes)
        _say(self._console, f"{name}: lowest validation error {error:.2f}%")
        return error


def _point_or_mistake(overrides: Sequence[str]) -> StudyPoint | ConfigError:
    try:
        return compose_points([overrides])[0]
    except ConfigError as error:
        return error


def _refuse_questions_of_a_study(config: Config, sweeper: str) -> None:
    study = config.study
    asked = {
        f"study.looks = {list(study.looks)}": bool(study.looks),
        "study.placebo = true": study.placebo,
        "launcher.wait = false": config.launcher.name == "slurm" and not config.launcher.wait,
    }
    if wrong := [field for field, is_asked in asked.items() if is_asked]:
        raise ConfigError(
            f"{', '.join(wrong)}: {sweeper} chooses each point by the errors of those before, and "
            "waits for them; leave it out, or take hydra/sweeper=basic"
        )


def _carry_out(
    todo: Sequence[StudyPoint],
    wanted: int,
    slurm: Mapping[str, Any] | None,
    console: Console,
) -> bool:
    """Train points here, or have SLURM do it.

    Args:
        todo: from ``still_to_do``.
        wanted: how many of them are not only there because others start from them.
        slurm: options of the job array; None: this machine trains them.
        console: told of what happens.

    Returns:
        Whether their processes were waited for.
    """
    config = todo[0].config
    if (before := len(todo) - wanted) > 0:
        _say(console, f"{before} runs that others start from come first")
    if slurm is None:
        refuse_without_gpus(config)
    # Downloaded or generated once, before the points would all want it at the same time.
    for data in {repr(p.config.data): p.config.data for p in todo}.values():
        load_splits(data, config.paths.data_folder)
    if slurm is not None:
        return train_on_slurm(todo, slurm, console)
    _train(todo, console)
    return True


def wait_for_others(todo: Sequence[StudyPoint], console: Console) -> bool:
    """Wait for the points that other processes still train, of this host or another.

    Returns:
        Whether there were any: each of them may now have an outcome, or be free to be trained.
    """
    elsewhere = [p for p in todo if not p.is_done and p.directory.is_claimed()]
    for point in elsewhere:
        _say(console, f"{point.directory.id}: another process trains it; waiting")
    for point in elsewhere:
        while point.directory.is_claimed() and not point.is_done:
            time.sleep(OTHERS_SECONDS)
    return bool(elsewhere)


def _say_what_is_missing(failures: Sequence[StudyPoint], console: Console) -> None:
    for point in failures:
        _say(console, f"{point.directory.id}: {_why_not_done(point)}")
        _say(console, f"    log: {point.directory.log}")
    if failures:
        _say(console, "run the same command again to finish what is missing")


def _why_not_done(point: StudyPoint) -> str:
    status = point.directory.read_status()
    reason = "a test is missing" if status.state.is_outcome else status.reason
    return f"{status.state}: {reason}"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _train(todo: Sequence[StudyPoint], console: Console) -> None:
    config = todo[0].config
    slots = slots_of([p.config for p in todo])
    resolved = [*resolved_overrides(config), f"trainer.threads={slots.threads}"]
    points = [p.point for p in todo]
    for point in todo:
        mark_pending(point.stage)
    with (
        raise_on_stop("the running points write their checkpoints; once more ends them at once"),
        StudyScreen(config.study.name, points, console) as screen,
        contextlib.closing(Pool(slots, resolved).run(points)) as progress,
    ):
        for running, ended in progress:
            screen.update(running, ended)


def train_on_slurm(
    todo: Sequence[StudyPoint], options: Mapping[str, Any], console: Console
) -> bool:
    """Submit what is missing of a study to SLURM.

    Args:
        todo: points to train, parents before their children.
        options: of the job array.
        console: told of each job.

    Returns:
        Whether the jobs were waited for.

    Raises:
        ConfigError: there is no SLURM here, or it refuses the jobs.
    """
    config = todo[0].config
    points = [p.point for p in todo]
    queued = {p.directory.id: job for p in todo if (job := _job_in_the_queue(p))}
    new = [p for p in todo if p.directory.id not in queued]
    options = slurm_options(config, options)
    submitted = slurm_jobs.submit([p.point for p in new], resolved_overrides(config), options)
    for point, job in zip(new, submitted, strict=True):
        mark_pending(point.stage, f"{JOB}{job}")
        _say(console, f"{point.directory.id}: {JOB}{job}")
    for name, job in queued.items():
        _say(console, f"{name}: in the queue already as {JOB}{job}")
    if not config.launcher.wait:
        _say(
            console,
            f"see what becomes of them: python run.py task=runs paths.runs={config.paths.runs}",
        )
        return False
    jobs = [*submitted, *queued.values()]
    with StudyScreen(config.study.name, points, console) as screen:
        slurm_jobs.wait_for(jobs, lambda: screen.update(*_at_work(points)))
    return True


def _job_in_the_queue(point: StudyPoint) -> str:
    """The SLURM job that an earlier command submitted for a point; empty where none is queued."""
    status = point.directory.read_status()
    job = status.reason.removeprefix(JOB) if status.reason.startswith(JOB) else ""
    if not job and status.history:
        job = status.history[-1].job
    return job if job and slurm_jobs.are_queued([job]) else ""


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
    if isinstance(config.launcher.jobs, int) and config.launcher.jobs:
        derived["slurm_array_parallelism"] = config.launcher.jobs
    return {**options, **derived}
