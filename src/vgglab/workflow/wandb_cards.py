"""What W&B is told of a run, from its config and its files. Loads wandb."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow.parquet as pq

from vgglab import checkout
from vgglab.config import Config, plain
from vgglab.data.sources.registry import fingerprint, load_splits, source_url
from vgglab.privacy import without_home_in
from vgglab.runs import (
    Result,
    RunDirectory,
    Status,
    read_config,
    read_metrics,
    read_result,
)
from vgglab.tracking.cards import DataCard, RunCard
from vgglab.tracking.server import agent_run_id
from vgglab.tracking.wandb_run import Prediction, WandbSink
from vgglab.training.net_cost import net_cost
from vgglab.workflow.pretraining import arm_of
from vgglab.workflow.provenance import command_line

SUMMARY_ROOMS = {"validation": "validation", "cost": "cost", "whole_run": "speed"}
"""Prefix in the summary -> part of ``result.json``."""
NET_COSTS = ("weight_layers", "parameters", "macs")


def sink_of(config: Config, directory: RunDirectory, status: Status) -> WandbSink:
    """The W&B run of a run, not started yet.

    Args:
        config: of the run, resolved.
        directory: of the run; W&B's files are kept in it.
        status: of the attempt that is recorded.

    Returns:
        A sink for the records of a training.
    """
    return WandbSink(config.tracking, run_card(config, directory, status), directory.path)


def replay(config: Config, directory: RunDirectory, status: Status) -> None:
    """Tell W&B of a run that is already done, as if it had been trained just now.

    A W&B sweep's agent waits for the run that it started and does not know that the numbers were
    here already.

    Args:
        config: of the run, resolved.
        directory: of the run, whose files are told.
        status: of the run.
    """
    result = read_result(directory)
    sink = sink_of(config, directory, status)
    sink.start(read_metrics(directory.metrics))
    keep_files(config, directory, result, sink)
    sink.finish(summary_of(result), 0)


def replay_offline(directory: RunDirectory) -> None:
    """Make an offline file of a run that has an outcome; the caller has claimed it."""
    config = read_config(directory)
    tracking = dataclasses.replace(config.tracking, mode="offline")
    replay(dataclasses.replace(config, tracking=tracking), directory, directory.read_status())


def run_card(config: Config, directory: RunDirectory, status: Status) -> RunCard:
    """Everything that W&B is told of a run before its first record.

    Args:
        config: of the run, resolved.
        directory: of the run.
        status: of the attempt: commit, versions and parent are taken from it.

    Returns:
        Plain values; the user's home folder is not among them.
    """
    data = DataCard(
        name=config.data.name,
        fingerprint=fingerprint(config.data, config.paths.data_folder),
        url=source_url(config.data),
        config=without_home_in(plain(config)["data"]),
    )
    arm = arm_of(config)
    cost = net_cost(config).as_dict()
    command = status.command or command_line()
    about = {
        "run": directory.id,
        "job_type": "train",
        "arm": arm,
        "command": command,
        "commit": status.commit,
        "versions": status.versions,
        "data_fingerprint": data.fingerprint,
        "parent": status.parent,
        "net": {name: cost[name] for name in NET_COSTS},
    }
    return RunCard(
        id=agent_run_id() or directory.id,
        name=f"{arm}-s{config.seed}",
        group=config.study.name,
        job_type="train",
        tags=(
            config.model.full_name,
            config.norm.name,
            config.data.name,
            config.init.name,
            *config.tracking.tags,
        ),
        notes="\n\n".join(filter(None, (config.tracking.notes, command))),
        config=without_home_in(plain(config) | about),
        data=data,
        code=checkout.root() if config.tracking.code else None,
    )


def keep_files(config: Config, directory: RunDirectory, result: Result, sink: WandbSink) -> None:
    """Keep the weights and the predictions in W&B that ``tracking`` asks for.

    Args:
        config: of the run, resolved.
        directory: of the run.
        result: contents of ``result.json``.
        sink: started.
    """
    if config.tracking.log_model and directory.best_checkpoint.exists():
        errors, epoch = result["errors"], result["validation"]["best_epoch"]
        sink.keep_checkpoint(directory.best_checkpoint, {"errors": errors}, epoch)
    if config.tracking.predictions:
        for protocol in result["errors"]:
            sink.keep_predictions(protocol, _predictions(config, directory, protocol))


def _predictions(config: Config, directory: RunDirectory, protocol: str) -> list[Prediction]:
    """Rows of the table of predictions, with their images."""
    # Imported only here: it loads torch, which an upload of other runs does without.
    from vgglab.evaluation.predictions import most_wrong

    images = load_splits(config.data, config.paths.data_folder).test
    table = pq.read_table(directory.predictions(protocol))
    rows: list[Prediction] = []
    for index, *said in most_wrong(table, config.tracking.predictions):
        image_hwc: Any = images.image_chw(index).permute(1, 2, 0).numpy()
        rows.append((index, image_hwc, *said))
    return rows


def summary_of(result: Result) -> dict[str, Any]:
    """The numbers of a ``result.json`` for W&B's summary.

    Under names that no row has: of those, W&B's client writes the last row's value over ours.
    """
    return {"outcome": result["trainability"]["state"]} | numbers_of(result)


def numbers_of(result: Result) -> dict[str, Any]:
    """Those of a ``result.json``, which may be of no outcome yet, by their names in the summary."""
    numbers: dict[str, Any] = {}
    for protocol, values in result.get("errors", {}).items():
        numbers |= {f"test/{protocol}/{name}": value for name, value in values.items()}
    for room, part in SUMMARY_ROOMS.items():
        values_of: Any = result.get(part, {})
        numbers |= {f"{room}/{name}": value for name, value in values_of.items()}
    return numbers
