"""``task=train``: one run, trained once by whoever claims it first."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.launch.point import die_with_parent, is_point
from vgglab.launch.pool import record_failed_parent
from vgglab.launch.ranks import RankFailed, command_of_this_process, record_rank_death, run_ranks
from vgglab.runs import RunDirectory, State, Status
from vgglab.signals import STOPPED_EXIT_CODE, StopRequest
from vgglab.training.imports import import_lightning
from vgglab.workflow.attempt import attempt
from vgglab.workflow.evaluation import catch_up, skipped_note, untested
from vgglab.workflow.logs import log_to
from vgglab.workflow.micro_batch import with_fitting_micro_batch
from vgglab.workflow.pretraining import (
    Stage,
    first_weights,
    mark_pending,
    note_untrainable,
    stages_of,
    still_to_train,
    why_it_cannot_start,
)
from vgglab.workflow.wandb_cards import replay
from vgglab.world import ALONE, World, world_of

if TYPE_CHECKING:
    from vgglab.training.distributed import Group

log = logging.getLogger(__name__)

WAIT, WAIT_SECONDS = "wait", 30.0
"""What the first process tells the others while another command trains the run, and how often."""


def train(config: Config, root: Path) -> None:
    """Train the run of a config unless it already has an outcome, after the runs that its first
    weights come from; wait where another process does.

    Raises:
        Interrupted: a signal asked to stop; the checkpoint is written.
        ConfigError: the weights that it starts from have been removed.
        DataError: the data set cannot be had.
        RankFailed: one of the run's processes did not end well.
    """
    if is_point():
        die_with_parent()
    stages = _chosen(config)
    world = world_of(os.environ)
    # What SLURM sends ahead of a preemption would kill a process that is still loading its data.
    with StopRequest((signal.SIGUSR1, signal.SIGUSR2)):
        if world is not None and not world.is_alone:
            _train_as_rank(config, stages, root, world)
            return
        todo = still_to_train(stages) or stages[-1:]
        for place, stage in enumerate(todo):
            with _announced(todo[place + 1 :]):
                if config.processes > 1 and world is None:
                    later = len(stages) - 1 - stages.index(stage)
                    _start_ranks(stage, config.task.ancestor + later, root)
                else:
                    _train_claimed(stage, root)


def _chosen(config: Config) -> list[Stage]:
    """The chain up to the run that ``task.ancestor`` asks for.

    Raises:
        ConfigError: the chain is not as long.
    """
    stages = stages_of(config)
    back = config.task.ancestor
    if back >= len(stages):
        raise ConfigError(
            f"task.ancestor = {back}: {stages[-1].directory.id} starts from {len(stages) - 1} runs"
        )
    return stages[: len(stages) - back]


@contextlib.contextmanager
def _announced(descendants: Sequence[Stage]) -> Iterator[None]:
    """While their ancestor is trained, the ledger knows of the runs that wait for it."""
    for stage in descendants:
        mark_pending(stage)
    try:
        yield
    finally:
        for stage in descendants:
            assert stage.parent is not None
            record_failed_parent(stage.directory, stage.parent)


def _test_if_missing(config: Config, directory: RunDirectory, status: Status, root: Path) -> None:
    """What is left of a run that has an outcome; this process has claimed it."""
    if status.state is State.FINISHED and (todo := untested(config, directory)):
        labels = ", ".join(procedure.label for procedure in todo)
        print(f"{directory.id}: trained; testing under {labels}", flush=True)
        catch_up(config, directory)
    if waits_for_online_run(config):
        replay(config, directory, status, root)
    print(f"{directory.id}: already {status.state}; {summary_line(directory)}")


def _train_claimed(stage: Stage, root: Path) -> None:
    config, directory = stage.config, stage.directory
    if directory.is_claimed():
        print(f"{directory.id}: another process trains it; waiting", flush=True)
    with directory.claim():
        status = directory.read_status()
        if status.state.is_outcome:
            _test_if_missing(config, directory, status, root)
            return
        if _cannot_start(stage, status):
            return
        # Imported only now: a run that is already done is found without loading torch.
        import_lightning()
        from vgglab.training.distributed import Group

        config = with_fitting_micro_batch(config, directory)
        with log_to(directory.log):
            attempt(config, directory, status, root, Group(ALONE))
    print(f"{directory.id}: {Status.read(directory.status).state}; {summary_line(directory)}")


def _cannot_start(stage: Stage, status: Status) -> bool:
    """Whether the parent's outcome leaves no weights to start from: then that is the outcome."""
    reason = why_it_cannot_start(stage)
    if reason:
        note_untrainable(stage, status, reason)
        print(f"{stage.directory.id}: {status.state}; {summary_line(stage.directory)}")
    return bool(reason)


def _train_as_rank(config: Config, stages: Sequence[Stage], root: Path, world: World) -> None:
    """The first process decides, claims and writes; the others compute with it."""
    import_lightning()
    from vgglab.training.distributed import joined

    if config.micro_batch == "auto":
        raise ConfigError(
            f"micro_batch=auto: not under {world.started_by}, whose processes have begun already; "
            "set trainer.accumulate"
        )
    with joined(world, config.trainer.accelerator) as group:
        todo = still_to_train(stages) or stages[-1:]
        for index in group.from_first([stages.index(stage) for stage in todo]):
            _train_stage_as_rank(stages[index], root, group)


def _train_stage_as_rank(stage: Stage, root: Path, group: Group) -> None:
    config, directory = stage.config, stage.directory
    if not group.world.is_first:
        while (go := group.from_first(None)) == WAIT:
            pass
        if go:
            with log_to(directory.rank_log(group.world.rank)):
                _follow(config, directory, group)
        return
    with contextlib.ExitStack() as claim:
        while True:
            try:
                claim.enter_context(directory.claim(timeout=WAIT_SECONDS))
                break
            except Timeout:
                group.from_first(WAIT)  # keeps the others from believing that this one died
        status = directory.read_status()
        done = status.state.is_outcome
        barren = not done and _cannot_start(stage, status)
        group.from_first(not (done or barren))
        if done:
            _test_if_missing(config, directory, status, root)
        if done or barren:
            return
        with log_to(directory.log):
            attempt(config, directory, status, root, group)
    print(f"{directory.id}: {Status.read(directory.status).state}; {summary_line(directory)}")


def _follow(config: Config, directory: RunDirectory, group: Group) -> None:
    from vgglab.training.experiment import run_experiment
    from vgglab.training.outcomes import Outcome

    log.info("rank %d of %d", group.world.rank, group.world.size)
    try:
        run_experiment(config, directory, Status(), [], group, first_weights(config))
    except Outcome as error:
        log.info("%s", error)
    except Exception:
        log.exception("failed")
        raise


def _start_ranks(stage: Stage, ancestor: int, root: Path) -> None:
    config, directory = stage.config, stage.directory
    if config.nodes > 1:
        raise ConfigError(
            f"nodes = {config.nodes}: start it with launcher=slurm, srun or torchrun "
            "(docs/scaling.md)"
        )
    if directory.read_status().state.is_outcome:
        with directory.claim():
            _test_if_missing(config, directory, directory.read_status(), root)
        return
    fitted = with_fitting_micro_batch(config, directory)
    command = command_of_this_process()
    if fitted is not config:
        command += ["micro_batch=0", f"trainer.accumulate={fitted.trainer.accumulate}"]
    if ancestor:
        command.append(f"task.ancestor={ancestor}")
    died = run_ranks(command, directory, config.devices, config.trainer.threads)
    if died is None:
        return
    if died.code in (
        2,
        STOPPED_EXIT_CODE,
    ):  # a mistake of the user, or Ctrl-C: it has said so itself
        raise RankFailed(died.error, died.code)
    record_rank_death(directory, died)
    raise RankFailed(f"{died} (log: {died.log})", 1)


def waits_for_online_run(config: Config) -> bool:
    """Whether a W&B sweep's agent started this process and wants to see a run of its own."""
    return "WANDB_SWEEP_ID" in os.environ and config.tracking.mode == "online"


def summary_line(directory: RunDirectory) -> str:
    """What came out of a run, in a few words, and where it is."""
    result = json.loads(directory.result.read_text(encoding="utf-8"))
    errors = ", ".join(
        f"{protocol} top-1 error {values['top1_error']:.2f}%"
        for protocol, values in result["errors"].items()
    )
    said = errors or result["trainability"]["reason"]
    if note := skipped_note(result):
        said += f" ({note})"
    return f"{said} ({directory.path})"
