"""Trains the points of a sweep, here or by SLURM, and says what became of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.data.sources.registry import load_splits
from vgglab.launch import slurm as slurm_jobs
from vgglab.launch.forked import warm_start
from vgglab.launch.pool import Point, Pool
from vgglab.launch.screen import StudyScreen
from vgglab.runs import State
from vgglab.signals import raise_on_stop
from vgglab.training.net_cost import net_cost
from vgglab.workflow.gpus import refuse_without_gpus
from vgglab.workflow.points import StudyPoint, resolved_overrides, slots_of, still_to_do
from vgglab.workflow.pretraining import mark_pending
from vgglab.workflow.snapshot import keep_copy
from vgglab.workflow.warm_up import load_of

JOB = "SLURM job "
"""Begins the reason why a point that was submitted is pending."""
OTHERS_SECONDS = 2.0
"""Between two looks at a point that another process trains."""


class LeftToSlurm(Exception):
    """The points are in SLURM's queue, and the command does not wait for them."""


def finish(
    chosen: Sequence[StudyPoint], console: Console, slurm: Mapping[str, Any] | None
) -> list[StudyPoint]:
    """Train points, after the runs that they start from.

    Args:
        chosen: without an outcome, or a test.
        console: told of what happens.
        slurm: options of the job array by which SLURM trains them; None: this machine does.

    Returns:
        Those that failed. None have where others were trained by another process: look again.

    Raises:
        ConfigError: there are no such GPUs, or SLURM refuses the jobs.
        LeftToSlurm: the jobs are not waited for.
    """
    config, todo = chosen[0].config, still_to_do(chosen)
    if (before := len(todo) - len({p.directory.id for p in chosen})) > 0:
        say(console, f"{before} runs that others start from come first")
    if slurm is None:
        refuse_without_gpus(config)
    if (new := keep_copy()) is not None:
        say(console, f"its points run from a copy of the source, {_shown(new)}")
    if slurm is None:
        # It imports while this process looks for the data.
        warm_start.prepare(load_of(config), slots_of([p.config for p in todo]).shared_environment)
    # Downloaded or generated once, before the points would all want it at the same time.
    for data in {repr(p.config.data): p.config.data for p in todo}.values():
        load_splits(data, config.paths.data_folder)
    if slurm is None:
        _train(todo, console)
    elif not train_on_slurm(todo, slurm, console):
        raise LeftToSlurm
    if wait_for_others(todo, console):
        return []
    return [p for p in todo if not p.is_done]


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def wait_for_others(todo: Sequence[StudyPoint], console: Console) -> bool:
    """Wait for the points that other processes still train, of this host or another.

    Returns:
        Whether there were any: each of them may now have an outcome, or be free to be trained.
    """
    elsewhere = [p for p in todo if not p.is_done and p.directory.is_claimed()]
    for point in elsewhere:
        say(console, f"{point.directory.id}: another process trains it; waiting")
    for point in elsewhere:
        while point.directory.is_claimed() and not point.is_done:
            time.sleep(OTHERS_SECONDS)
    return bool(elsewhere)


def say_what_is_missing(failures: Sequence[StudyPoint], console: Console) -> None:
    """Say why points are not done, and where their logs are."""
    for point in failures:
        say(console, f"{point.directory.id}: {why_not_done(point)}")
        say(console, f"    log: {point.directory.log}")
    if failures:
        say(console, "run the same command again to finish what is missing")


def why_not_done(point: StudyPoint) -> str:
    """Its state, and the reason."""
    status = point.directory.read_status()
    reason = "a test is missing" if status.state.is_outcome else status.reason
    return f"{status.state}: {reason}"


def say(console: Console, text: str) -> None:
    """Print a line as it is."""
    console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _train(todo: Sequence[StudyPoint], console: Console) -> None:
    config = todo[0].config
    slots = slots_of([p.config for p in todo])
    resolved = [*resolved_overrides(config), f"trainer.threads={slots.threads}"]
    points = [p.point for p in todo]
    for point in todo:
        mark_pending(point.stage)
    with (
        raise_on_stop("the running points write their checkpoints; once more ends them at once"),
        StudyScreen(config.study.name, points, console, work_of(todo)) as screen,
        contextlib.closing(Pool(slots, resolved, load_of(config)).run(points)) as progress,
    ):
        for running, ended in progress:
            screen.update(running, ended)


def work_of(points: Sequence[StudyPoint]) -> dict[str, float]:
    """Multiply-accumulates of an image in every epoch: how long a point takes beside the others."""
    known: dict[str, float] = {}
    for config in (p.config for p in points):
        if (net := _net(config)) not in known:
            known[net] = net_cost(config).macs
    return {p.directory.id: known[_net(p.config)] * p.config.recipe.epochs for p in points}


def _net(config: Config) -> str:
    return repr((config.model, config.norm, config.data.image_size, config.data.classes))


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
        NoAnswer: it does not answer.
    """
    config = todo[0].config
    points = [p.point for p in todo]
    queued = {p.directory.id: job for p in todo if (job := _job_in_the_queue(p))}
    new = [p for p in todo if p.directory.id not in queued]
    options = slurm_options(config, options)
    submitted = slurm_jobs.submit([p.point for p in new], resolved_overrides(config), options)
    for point, job in zip(new, submitted, strict=True):
        mark_pending(point.stage, f"{JOB}{job}")
        say(console, f"{point.directory.id}: {JOB}{job}")
    for name, job in queued.items():
        say(console, f"{name}: in the queue already as {JOB}{job}")
    if not config.launcher.wait:
        say(
            console,
            f"see what becomes of them: python run.py task=runs paths.runs={config.paths.runs}",
        )
        return False
    jobs = [*submitted, *queued.values()]
    with StudyScreen(config.study.name, points, console, work_of(todo)) as screen:
        slurm_jobs.wait_for(jobs, lambda: screen.update(*_at_work(points)))
    return True


def _job_in_the_queue(point: StudyPoint) -> str:
    """The SLURM job that an earlier command submitted for a point; empty where none is queued.

    Raises:
        NoAnswer: SLURM does not answer: a job that is queued would be submitted once more.
    """
    status = point.directory.read_status()
    job = status.reason.removeprefix(JOB) if status.reason.startswith(JOB) else ""
    if not job and status.history and status.history[-1].submitted:
        job = status.history[-1].job
    # Its own, in which it was typed, ends after this command alone.
    is_another = job not in ("", slurm_jobs.job_number())
    return job if is_another and slurm_jobs.are_queued([job]) else ""


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
            "launcher=slurm needs hydra-submitit-launcher: pip install --editable '.[slurm]'"
        )
    derived: dict[str, Any] = {"tasks_per_node": config.devices}
    if config.trainer.accelerator == "gpu" and not options["gpus_per_node"]:
        derived["gpus_per_node"] = config.devices
    if config.processes > 1:  # the others would wait for one that has died, on all of their GPUs
        derived["slurm_srun_args"] = ["--kill-on-bad-exit=1"]
    if isinstance(config.launcher.jobs, int) and config.launcher.jobs:
        derived["slurm_array_parallelism"] = config.launcher.jobs
    return {**options, **derived}
