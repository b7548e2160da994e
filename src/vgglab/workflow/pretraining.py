"""The chain of runs that a run's first weights come from: their configs, folders and order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vgglab.config import Config
from vgglab.config.parent import ancestors, parent_of
from vgglab.config.parse import ConfigError
from vgglab.data.sources.registry import fingerprint
from vgglab.runs import RunDirectory, State, Status, arm_hash, arm_name, run_id, write_result
from vgglab.training.result import result_without_errors
from vgglab.workflow.provenance import write_config


@dataclass(frozen=True)
class Stage:
    """A run among those that it starts from."""

    config: Config
    """Resolved."""
    directory: RunDirectory
    data: str
    """Fingerprint of its data."""
    parent: RunDirectory | None = None
    """Where its first weights come from."""


def stages_of(config: Config) -> list[Stage]:
    """The run of a resolved config after all that it starts from, in the order of training."""
    found: list[Stage] = []
    parent: RunDirectory | None = None
    for each in [*reversed(ancestors(config)), config]:
        data = fingerprint(each.data, each.paths.data_folder)
        identity = run_id(each, data, parent.id if parent else "")
        directory = RunDirectory(each.paths.runs_folder / identity)
        found.append(Stage(each, directory, data, parent))
        parent = directory
    return found


def stage_of(config: Config) -> Stage:
    """The run of a resolved config."""
    return stages_of(config)[-1]


def arm_of(config: Config) -> str:
    """The name of the arm that a resolved config's run is of, in all studies and projects."""
    digest = ""
    for each in [*reversed(ancestors(config)), config]:
        digest = arm_hash(each, fingerprint(each.data, each.paths.data_folder), digest)
    return arm_name(config, digest)


def directory_of(config: Config) -> RunDirectory:
    """Where a resolved config's run lives."""
    return stage_of(config).directory


def is_asked_for(stage: Stage, stages: Sequence[Stage]) -> bool:
    """Whether the command was asked for this run, and not for one that starts from it."""
    return stage is stages[-1] and not stage.config.task.ancestor


def still_to_train(stages: Sequence[Stage]) -> list[Stage]:
    """The runs of a chain that must be trained for its last one to end, in order.

    A run that is done, or has a checkpoint of its own to go on from, needs its parent no more.
    """
    found: list[Stage] = []
    for stage in reversed(stages):
        if stage.directory.read_status().state.is_outcome:
            break
        found.append(stage)
        if stage.directory.has_checkpoint:
            break
    return found[::-1]


def why_it_cannot_start(stage: Stage) -> str:
    """Why the parent leaves this run without its first weights; empty where it does not.

    Raises:
        ConfigError: the parent is done, but its weights have been removed.
    """
    if stage.parent is None or stage.directory.has_checkpoint:
        return ""
    status = stage.parent.read_status()
    if status.state is not State.FINISHED:
        return f"its parent {stage.parent.id} is {status.state}: {status.reason}"
    if not weights_of(stage).exists():
        raise ConfigError(
            f"{weights_of(stage)} is gone, which {stage.directory.id} starts from; "
            f"remove {stage.parent.path} to train it again"
        )
    return ""


def weights_of(stage: Stage) -> Path:
    """The checkpoint that a run with a parent starts from; the parent was tested with it."""
    parent = parent_of(stage.config)
    assert parent is not None
    assert stage.parent is not None
    return stage.parent.selected_checkpoint(parent.recipe.select)


def first_weights(config: Config) -> Path | None:
    """The checkpoint that the run of a resolved config starts from; None where it draws weights."""
    stage = stage_of(config)
    return weights_of(stage) if stage.parent else None


def mark_pending(stage: Stage, reason: str = "") -> None:
    """Enter a run that waits for its turn into the ledger, with the epochs that it will take.

    A run that is trained and only to be tested stays what it is.
    """
    status = stage.directory.read_status()
    if status.state is not State.RUNNING and not status.state.is_outcome:
        status.note_end(State.INTERRUPTED, status.reason or "died")
        status.state, status.reason = State.PENDING, reason
        if stage.parent and not reason:
            status.reason = f"starts from {stage.parent.id}"
        note_what_is_known(stage, status)
        status.write(stage.directory.status)


def refuse_without_parent(stage: Stage, status: Status) -> bool:
    """Whether the parent's outcome leaves no weights to start from: then that is the run's outcome.

    Raises:
        ConfigError: the parent is done, but its weights have been removed.
    """
    reason = why_it_cannot_start(stage)
    if reason:
        _note_untrainable(stage, status, reason)
    return bool(reason)


def _note_untrainable(stage: Stage, status: Status, reason: str) -> None:
    directory = stage.directory
    write_config(directory, stage.config)
    result = result_without_errors(stage.config, directory, State.UNTRAINABLE, reason)
    write_result(directory, result)
    status.state, status.reason = State.UNTRAINABLE, reason
    note_what_is_known(stage, status)
    status.write(directory.status)


def note_what_is_known(stage: Stage, status: Status) -> None:
    """Write down what follows from a run's config, data and parent before it is trained."""
    status.epochs = stage.config.recipe.epochs
    status.data_fingerprint = stage.data
    status.parent = stage.parent.id if stage.parent else ""
