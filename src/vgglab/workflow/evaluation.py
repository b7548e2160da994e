"""Tests of a finished run that are still to be made: no training, and none of them twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from vgglab.config import Config, Procedure, with_infrastructure_of
from vgglab.config.parse import ConfigError, parse
from vgglab.data.errors import DataError
from vgglab.data.sources.registry import fingerprint
from vgglab.runs import RunDirectory, State
from vgglab.runs.damage import DamagedFile, is_whole_parquet, say_once
from vgglab.runs.records import Result, read_config, read_result, write_result
from vgglab.training.imports import import_lightning
from vgglab.workflow.gpus import refuse_without_gpus
from vgglab.workflow.logs import log_to

log = logging.getLogger(__name__)

ERRORS: tuple[Literal["top1_error"], Literal["top5_error"]] = ("top1_error", "top5_error")
"""Errors of a test that commands print, percent."""


def names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    return (value,) if isinstance(value, str) else value


def named_runs(config: Config) -> list[RunDirectory]:
    """The runs of ``run=``, each by its id in ``paths.runs`` or by the path of its folder."""
    return [RunDirectory(config.paths.run_folder(name)) for name in names(config.run)]


def skipped_note(result: Result) -> str:
    """How many test images could not be read, in words; empty where all could."""
    test = result.get("test")
    if not test or not test["skipped"]:
        return ""
    return f"{test['skipped']} of {test['images']} test images unreadable, counted as errors"


def stored_accumulate(directory: RunDirectory) -> int | None:
    """Micro-batches of a step in the attempt whose checkpoint a run goes on from, if any."""
    if not (directory.has_checkpoint and directory.config.exists()):
        return None
    try:
        return read_config(directory).trainer.accumulate
    except DamagedFile as error:
        say_once(error, "its run goes on without it")
        return None


def untested(config: Config, directory: RunDirectory) -> tuple[Procedure, ...]:
    """The tests that a config asks for and the run lacks.

    A test whose predictions are gone or cut short counts as lacking while there are weights to make
    them anew.
    """
    errors = read_result(directory).get("errors", {})
    weights = directory.selected_checkpoint(config.recipe.select).exists()
    return tuple(
        procedure
        for procedure in config.procedures
        if procedure.label not in errors
        or (weights and not is_whole_parquet(directory.predictions(procedure.label)))
    )


def is_done(config: Config, directory: RunDirectory) -> bool:
    """Whether the run has an outcome and, if it trained, every test that the config asks for."""
    state = directory.read_status().state
    return state.is_outcome and not (state is State.FINISHED and untested(config, directory))


def config_here(
    directory: RunDirectory, command: Config, changes: Callable[[Config], Mapping[str, Any]]
) -> Config:
    """A run's own config with the command's infrastructure, for one process of this machine.

    Args:
        directory: of the run.
        command: the command's config.
        changes: from the stored config to fields that are to be others: group -> name -> value.

    Raises:
        ConfigError: there is no such run, or its config does not allow the changes.
    """
    if not directory.config.exists():
        raise ConfigError(
            f"run={directory.id}: not in {directory.path.parent}; task=runs lists those that are"
        )
    try:
        stored = read_config(directory)
        tree = with_infrastructure_of(stored, command)
        for group, fields in changes(stored).items():
            tree[group] |= fields
        # A run that its weights come from lies beside it.
        tree["paths"]["runs"] = str(directory.path.parent)
        # The task is a run's own, so that its protocols are checked as those of a run are.
        return parse(tree | {"devices": 1, "nodes": 1, "micro_batch": 0, "task": {"name": "train"}})
    except ConfigError as error:
        raise ConfigError(f"run={directory.id}: {error}") from error


def config_to_test(directory: RunDirectory, command: Config) -> Config:
    """A run's config, tested by the command's protocol.

    Raises:
        ConfigError: there is no such run, or it cannot be tested so.
    """
    protocol = {"name": command.protocol.name, "scales": list(command.protocol.scales)}
    return config_here(directory, command, lambda _: {"protocol": protocol})


def _refuse_other_data(config: Config, directory: RunDirectory) -> None:
    """Refuse to test on images that are not those the run was trained for: its other tests are."""
    its_own = directory.read_status().data_fingerprint
    here = fingerprint(config.data, config.paths.data_folder)
    if its_own and here != its_own:
        raise DataError(
            f"run={directory.id}: was trained on other data (fingerprint {its_own}) than data="
            f"{config.data.name} is here (fingerprint {here}), and is tested on its own alone"
        )


def catch_up(config: Config, directory: RunDirectory) -> Sequence[Procedure]:
    """Test a finished run under what it was not yet tested under; the caller has claimed it.

    Returns:
        The tests that were made.

    Raises:
        DataError: its images or its weights are gone, or the images are others.
        ConfigError: there is no such GPU.
    """
    todo = untested(config, directory)
    if todo:
        refuse_without_gpus(config)
        _refuse_other_data(config, directory)
        # Imported only now: a run that lacks no test is found without loading torch.
        import_lightning()
        from vgglab.workflow.retest import retest

        with log_to(directory.log):
            log.info("testing under %s", ", ".join(procedure.label for procedure in todo))
            tested = retest(config, directory, todo)
        result = read_result(directory)
        result["errors"] = result.get("errors", {}) | tested["errors"]
        result["tests"] = result.get("tests", {}) | tested["tests"]
        if "test" in tested:
            result["test"] = tested["test"]
        write_result(directory, result)
    return todo
