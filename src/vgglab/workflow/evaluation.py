"""Tests of a finished run that are still to be made: no training, and none of them twice."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vgglab.config import Config, Procedure
from vgglab.config.parse import ConfigError, parse
from vgglab.runs import RunDirectory, State
from vgglab.runs.atomic import write_json
from vgglab.training.imports import import_lightning
from vgglab.workflow.logs import log_to

log = logging.getLogger(__name__)


def result_of(directory: RunDirectory) -> dict[str, Any]:
    """``result.json``; empty where there is none."""
    if not directory.result.exists():
        return {}
    found: dict[str, Any] = json.loads(directory.result.read_text(encoding="utf-8"))
    return found


def skipped_note(result: Mapping[str, Any]) -> str:
    """How many test images could not be read, in words; empty where all could."""
    test = result.get("test") or {}
    if not test.get("skipped"):
        return ""
    return f"{test['skipped']} of {test['images']} test images unreadable, counted as errors"


def stored_accumulate(directory: RunDirectory) -> int | None:
    """Micro-batches of a step in the attempt whose checkpoint a run goes on from, if any."""
    if not (directory.last_checkpoint.exists() and directory.config.exists()):
        return None
    tree = yaml.safe_load(directory.config.read_text(encoding="utf-8"))
    return int(tree["trainer"]["accumulate"])


def untested(config: Config, directory: RunDirectory) -> tuple[Procedure, ...]:
    """Of the procedures that a config asks for, those without errors; and those whose predictions
    are gone, if there still are weights to make them anew."""
    errors = result_of(directory).get("errors", {})
    weights = directory.best_checkpoint.exists()
    return tuple(
        procedure
        for procedure in config.procedures
        if procedure.label not in errors
        or (weights and not directory.predictions(procedure.label).exists())
    )


def is_done(config: Config, directory: RunDirectory) -> bool:
    """Whether the run has an outcome and, if it trained, every test that the config asks for."""
    state = directory.read_status().state
    return state.is_outcome and not (state is State.FINISHED and untested(config, directory))


def config_of(directory: RunDirectory, asked: Config) -> Config:
    """A run's own config, to be tested as ``asked`` says and on the machine it says.

    Raises:
        ConfigError: there is no such run, or it cannot be tested so.
    """
    if directory.path.parent.resolve() != Path(asked.paths.runs).resolve():
        raise ConfigError(f"run={directory.id}: must be the name of a folder in {asked.paths.runs}")
    if not directory.config.exists():
        raise ConfigError(
            f"run={directory.id}: not in {directory.path.parent}; task=runs lists those that are"
        )
    tree = yaml.safe_load(directory.config.read_text(encoding="utf-8"))
    protocol, trainer = asked.protocol, asked.trainer
    tree["protocol"] |= {
        "name": protocol.name,
        "scales": list(protocol.scales),
        "also": list(protocol.also),
    }
    tree["trainer"] |= {
        "accelerator": trainer.accelerator,
        "memory_format": trainer.memory_format,
        "lrn_kernel": trainer.lrn_kernel,
        "pool_first": trainer.pool_first,
        "pool_kernel": trainer.pool_kernel,
        "pack_weights": trainer.pack_weights,
        "threads": trainer.threads,
        "workers": trainer.workers,
    }
    tree["paths"]["data"] = asked.paths.data
    try:
        return parse(tree | {"devices": 1, "nodes": 1})
    except ConfigError as error:
        raise ConfigError(f"run={directory.id}: {error}") from error


def catch_up(config: Config, directory: RunDirectory) -> Sequence[Procedure]:
    """Test a finished run under what it was not yet tested under; the caller has claimed it.

    Raises:
        DataError: its images or its weights are gone.
    """
    todo = untested(config, directory)
    if todo:
        with log_to(directory.log):
            log.info("testing under %s", ", ".join(procedure.label for procedure in todo))
            tested = _tested(config, directory, todo)
        result = result_of(directory)
        for part, by_label in tested.items():
            result[part] = result.get(part, {}) | by_label
        write_json(directory.result, result)
    return todo


def _tested(
    config: Config, directory: RunDirectory, todo: Sequence[Procedure]
) -> dict[str, dict[str, Any]]:
    import_lightning()
    import torch

    from vgglab.data.module import ImageData
    from vgglab.evaluation.predict import MEMORY_FORMATS
    from vgglab.training.allocator import use_allocator
    from vgglab.training.distributed import ProcessGroup
    from vgglab.training.net import stored_net
    from vgglab.training.testing import (
        HeldOut,
        evaluate,
        selected_weights,
    )
    from vgglab.world import ALONE

    use_allocator(config.trainer)
    torch.set_num_threads(config.trainer.threads)
    net = stored_net(config, selected_weights(config, directory))
    data = ImageData(config, MEMORY_FORMATS[config.trainer.memory_format])
    images = HeldOut(data.splits.test, data.normalise)
    return evaluate(config, directory, net, images, ProcessGroup(ALONE), todo)
