"""``task=train``: one run, trained once by whoever claims it first."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.launch.point import die_with_parent, is_point, is_slurm_point
from vgglab.launch.pool import record_failed_parent
from vgglab.launch.ranks import (
    RankFailed,
    command_of_this_process,
    has_begun,
    record_rank_death,
    run_ranks,
)
from vgglab.launch.slurm import requeue, start_count
from vgglab.runs import RunDirectory
from vgglab.signals import AHEAD, STOPPED, STOPPED_EXIT_CODE, StopRequest, raise_on_stop
from vgglab.streams import announced
from vgglab.training.imports import import_lightning
from vgglab.workflow.after_outcome import complete, end_line
from vgglab.workflow.compose import has_sweep, sweep_choice
from vgglab.workflow.gpus import refuse_without_gpus
from vgglab.workflow.logs import log_to
from vgglab.workflow.micro_batch import with_fitting_micro_batch
from vgglab.workflow.places import refuse_files_of_runs
from vgglab.workflow.pretraining import (
    Stage,
    is_asked_for,
    mark_pending,
    refuse_without_parent,
    stages_of,
    still_to_train,
)
from vgglab.workflow.useless_schedule import refuse_useless_schedules
from vgglab.world import agent_left, world_of


def run(config: Config) -> None:
    """Train the run of the command's config.

    Raises:
        ConfigError: a sweep is named, which is a study and needs ``-m``; or as ``train``.
    """
    if has_sweep() and not (is_point() or is_slurm_point()):
        choice = sweep_choice()
        raise ConfigError(f"sweeps={choice} is a study: python run.py -m sweeps={choice}")
    train(config)


def train(config: Config) -> None:
    """Train a run unless it has an outcome, after the runs that its first weights come from.

    Waits where another process trains one of them.

    Raises:
        Interrupted: a signal asked to stop; the checkpoint is written.
        KeyboardInterrupt: the same, where nothing was being trained.
        ConfigError: the weights that it starts from have been removed, there is no such GPU, or a
            part of its schedule would do nothing.
        DataError: the data set cannot be had.
        RankFailed: one of the run's processes did not end well.
    """
    # What SLURM sends ahead of a preemption would kill a process that is still loading its data.
    with raise_on_stop("stopping"), StopRequest(AHEAD) as request, _requeued(config):
        request.obey()  # one that came while this process loaded
        if is_point():
            die_with_parent()
        stages = _chosen(config)
        refuse_files_of_runs(stage.directory for stage in stages)
        if still_to_train(stages):
            refuse_without_gpus(config)
            refuse_useless_schedules([stages[-1].config])
        world = world_of(os.environ)
        if world is not None and not world.is_alone:
            import_lightning()
            from vgglab.workflow.rank import train_as_rank

            train_as_rank(config, stages, world, request)
            return
        todo = still_to_train(stages) or stages[-1:]
        for place, stage in enumerate(todo):
            agent = agent_left(unless=is_asked_for(stage, stages))
            with agent, _announced(todo[place + 1 :]):
                if config.processes > 1 and (world is None or world.is_alone):
                    later = len(stages) - 1 - stages.index(stage)
                    _start_ranks(stage, config.task.ancestor + later)
                else:
                    _train_claimed(stage, request)


def _chosen(config: Config) -> list[Stage]:
    """The chain up to the run that ``task.ancestor`` asks for.

    Raises:
        ConfigError: the chain is not as long.
    """
    looking = f"looking at the images of data={config.data.name}"
    with announced(looking, shown=config.trainer.progress):
        stages = stages_of(config)
    back = config.task.ancestor
    if back >= len(stages):
        raise ConfigError(
            f"task.ancestor = {back}: {stages[-1].directory.id} starts from {len(stages) - 1} runs"
        )
    return stages[: len(stages) - back]


@contextlib.contextmanager
def _announced(descendants: Sequence[Stage]) -> Iterator[None]:
    """While their ancestor is trained, the runs that wait for it are in the ledger."""
    for stage in descendants:
        mark_pending(stage)
    try:
        yield
    finally:
        for stage in descendants:
            assert stage.parent is not None
            record_failed_parent(stage.directory, stage.parent)


@contextlib.contextmanager
def _requeued(config: Config) -> Iterator[None]:
    """Have SLURM start a point of its again that a signal stops while it waits or loads; one that
    it stops in training is requeued there, once its checkpoint is written."""
    try:
        yield
    except KeyboardInterrupt:
        world = world_of(os.environ)
        is_first = world is None or world.is_first
        if is_slurm_point() and is_first and start_count() < config.launcher.max_attempts:
            print(f"requeued: {requeue()}", flush=True)
        raise


@contextlib.contextmanager
def _claimed(directory: RunDirectory, request: StopRequest) -> Iterator[None]:
    """Claim a run; a signal ahead of a preemption ends the waiting for it, as others do."""
    with contextlib.ExitStack() as claim:
        with raise_on_stop("stopping", AHEAD):
            if request.noted is not None and directory.is_claimed():
                raise KeyboardInterrupt(request.noted.name)
            claim.enter_context(directory.claim())
        yield


def _train_claimed(stage: Stage, request: StopRequest) -> None:
    config, directory = stage.config, stage.directory
    if directory.is_claimed():
        print(f"{directory.id}: another process trains it; waiting", flush=True)
    with _claimed(directory, request):
        status = directory.read_status()
        if status.state.is_outcome:
            complete(config, directory, status)
            return
        if refuse_without_parent(stage, status):
            print(end_line(directory))
            return
        # Imported only now: a run that is already done is found without loading torch.
        if config.trainer.progress:
            print(f"{directory.id}: loading PyTorch ...", flush=True)
        import_lightning()
        from vgglab.workflow.attempt import attempt

        config = with_fitting_micro_batch(config, directory)
        with log_to(directory.log):
            attempt(config, directory, status)
    print(end_line(directory))


def _start_ranks(stage: Stage, ancestor: int) -> None:
    config, directory = stage.config, stage.directory
    if config.nodes > 1:
        raise ConfigError(
            f"nodes = {config.nodes}: start it with launcher=slurm, srun or torchrun "
            "(docs/scaling.md)"
        )
    if directory.read_status().state.is_outcome:
        with directory.claim():
            complete(config, directory, directory.read_status())
        return
    fitted = with_fitting_micro_batch(config, directory)
    command = command_of_this_process()
    if fitted is not config:
        command += ["micro_batch=0", f"trainer.accumulate={fitted.trainer.accumulate}"]
    if ancestor:
        command.append(f"task.ancestor={ancestor}")
    begun = time.time()
    died = run_ranks(command, directory, config.devices, config.trainer.threads)
    if died is None:
        return
    if died.was_stopped:
        raise RankFailed(died.error or STOPPED, STOPPED_EXIT_CODE)
    if died.code == 2:  # a mistake of the user: the process has said so itself
        if has_begun(directory, begun):  # it was found in training, as an image is that is damaged
            record_rank_death(directory, died, since=begun)
        raise RankFailed(died.error, died.code)
    record_rank_death(directory, died, since=begun)
    raise RankFailed(f"{died} (log: {died.log})", 1)
