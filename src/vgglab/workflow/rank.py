"""A process among those that train one run together, or a chain of runs. Loads torch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from filelock import Timeout

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.runs.claim import Watch
from vgglab.signals import StopRequest
from vgglab.training.distributed import ProcessGroup, process_group
from vgglab.training.process import prepare_process
from vgglab.workflow.after_outcome import complete, end_line
from vgglab.workflow.attempt import attempt, follow
from vgglab.workflow.logs import log_to
from vgglab.workflow.pretraining import Stage, is_asked_for, refuse_without_parent, still_to_train
from vgglab.world import World, agent_left

WAIT, WAIT_SECONDS = "wait", 30.0
"""What the first process tells the others while another command trains the run, and how often."""


def train_as_rank(
    config: Config, stages: Sequence[Stage], world: World, request: StopRequest
) -> None:
    """Train a chain of runs together with the other processes of a world.

    Args:
        config: of the command, resolved.
        stages: the chain, in the order of training.
        world: this process among the others.
        request: notes a signal to stop.

    Raises:
        ConfigError: ``micro_batch=auto``, which cannot be tried once processes have begun.
        Interrupted: a signal asked to stop; the checkpoint is written.
        KeyboardInterrupt: the same, while another command trains the run.
    """
    if config.micro_batch == "auto":
        raise ConfigError(
            f"micro_batch=auto: not under {world.started_by}, whose processes have begun already; "
            "set trainer.accumulate"
        )
    prepare_process(config.trainer)
    with process_group(world, config.trainer.accelerator) as group:
        todo = still_to_train(stages) or stages[-1:]
        for index in group.from_first([stages.index(stage) for stage in todo]):
            with agent_left(unless=is_asked_for(stages[index], stages)):
                _train_stage(stages[index], group, request)


def _train_stage(stage: Stage, group: ProcessGroup, request: StopRequest) -> None:
    """The first process decides, claims and writes; the others compute with it."""
    config, directory = stage.config, stage.directory
    if not group.world.is_first:
        while (go := group.from_first(None)) == WAIT:
            pass
        if go:
            with log_to(directory.rank_log(group.world.rank)):
                follow(config, directory, group)
        return
    watch = Watch()
    with contextlib.ExitStack() as claim:
        while True:
            try:
                claim.enter_context(directory.claim(WAIT_SECONDS, watch))
                break
            except Timeout as error:
                if request.noted is not None:
                    raise KeyboardInterrupt(request.noted.name) from error
                group.from_first(WAIT)  # keeps the others from believing that this one died
        status = directory.read_status()
        done = status.state.is_outcome
        cannot_start = not done and refuse_without_parent(stage, status)
        group.from_first(not (done or cannot_start))
        if done:
            complete(config, directory, status)
            return
        if cannot_start:
            print(end_line(directory))
            return
        with log_to(directory.log):
            attempt(config, directory, status, group)
    print(end_line(directory))
