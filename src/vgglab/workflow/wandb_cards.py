"""What a run says of itself to a tracker, and a training that a tracker follows."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vgglab.config import Config, plain
from vgglab.config.parse import parse
from vgglab.data.sources.registry import fingerprint, source_url
from vgglab.privacy import without_home, without_home_in
from vgglab.runs import RunDirectory, Status, arm_name, read_metrics, readable_name
from vgglab.runs.atomic import write_json
from vgglab.tracking.cards import DataCard, RunCard
from vgglab.training.net_cost import net_cost
from vgglab.workflow.pretraining import first_weights

if TYPE_CHECKING:
    from vgglab.tracking.wandb_run import Prediction, WandbSink
    from vgglab.training.distributed import ProcessGroup

SUMMARY_ROOMS = {"validation": "validation", "cost": "cost", "whole_run": "speed"}
"""Prefix in the summary -> part of ``result.json``."""
NET_COSTS = ("weight_layers", "parameters", "macs")


def train_and_track(
    config: Config, directory: RunDirectory, status: Status, root: Path, group: ProcessGroup
) -> None:
    """Train, and write ``result.json``; unless ``tracking=off``, W&B follows."""
    from vgglab.training.experiment import run_experiment
    from vgglab.training.outcomes import Outcome

    weights = first_weights(config)
    if config.tracking.mode == "off":
        result = run_experiment(config, directory, status, [], group, weights)
        write_json(directory.result, result)
        return
    sink = _sink(config, directory, status, root)
    exit_code = 1
    summary: dict[str, Any] = {}
    try:
        result = run_experiment(config, directory, status, [sink], group, weights)
        write_json(directory.result, result)
        summary = flat(result)
        _keep_what_was_asked_for(config, directory, result, sink)
        exit_code = 0
    except Outcome as outcome:
        summary = {"outcome": str(outcome.state)}
        raise
    finally:
        sink.finish(summary, exit_code)


def replay(config: Config, directory: RunDirectory, status: Status, root: Path) -> None:
    """Tell W&B of a run that is already done, as if it had been trained just now.

    A W&B sweep's agent waits for the run that it started; that the numbers were here already is
    nothing it knows of.
    """
    result = json.loads(directory.result.read_text(encoding="utf-8"))
    sink = _sink(config, directory, status, root)
    sink.start(read_metrics(directory.metrics))
    _keep_what_was_asked_for(config, directory, result, sink)
    sink.finish(flat(result), 0)


def replay_offline(directory: RunDirectory, root: Path) -> None:
    """Make an offline file of a run that has an outcome; the caller has claimed it."""
    tree = yaml.safe_load(directory.config.read_text(encoding="utf-8"))
    tree["tracking"]["mode"] = "offline"
    replay(parse(tree), directory, directory.read_status(), root)


def _sink(config: Config, directory: RunDirectory, status: Status, root: Path) -> WandbSink:
    from vgglab.tracking.wandb_run import WandbSink

    return WandbSink(config.tracking, run_card(config, directory, status, root), directory.path)


def run_card(config: Config, directory: RunDirectory, status: Status, root: Path) -> RunCard:
    """Everything that W&B is told of a run before its first record."""
    from vgglab.tracking.server import agent_run_id

    data = DataCard(
        name=config.data.name,
        fingerprint=fingerprint(config.data, Path(config.paths.data)),
        url=source_url(config.data),
        config=without_home_in(plain(config)["data"]),
    )
    about = {
        "run": directory.id,
        "job_type": "train",
        "arm": arm_name(config),
        "command": command(),
        "commit": status.commit,
        "versions": status.versions,
        "data_fingerprint": data.fingerprint,
        "parent": status.parent,
        "net": _net(config),
    }
    return RunCard(
        id=agent_run_id() or directory.id,
        name=readable_name(config),
        group=config.study.name,
        job_type="train",
        tags=(config.model.name, config.norm.name, config.data.name, config.init.name),
        notes=command(),
        config=without_home_in(plain(config) | about),
        data=data,
        code=root if config.tracking.code else None,
    )


def _net(config: Config) -> dict[str, Any]:
    """What follows from the config and a dashboard sorts by."""
    cost = net_cost(config).as_dict()
    return {name: cost[name] for name in NET_COSTS}


def _keep_what_was_asked_for(
    config: Config, directory: RunDirectory, result: dict[str, Any], sink: WandbSink
) -> None:
    if config.tracking.log_model and directory.best_checkpoint.exists():
        errors, epoch = result["errors"], result["validation"]["best_epoch"]
        sink.keep_checkpoint(directory.best_checkpoint, {"errors": errors}, epoch)
    if config.tracking.predictions:
        for protocol in result["errors"]:
            sink.keep_predictions(protocol, _predictions(config, directory, protocol))


def _predictions(config: Config, directory: RunDirectory, protocol: str) -> list[Prediction]:
    """Rows of the table of predictions, with their images."""
    import pyarrow.parquet as pq

    from vgglab.data.sources.registry import load_splits
    from vgglab.evaluation.predictions import most_wrong

    images = load_splits(config.data, Path(config.paths.data)).test
    table = pq.read_table(directory.predictions(protocol))
    rows: list[Prediction] = []
    for index, *said in most_wrong(table, config.tracking.predictions):
        image_hwc: Any = images.image_chw(index).permute(1, 2, 0).numpy()
        rows.append((index, image_hwc, *said))
    return rows


def command() -> str:
    """The command line of this process, as one would type it."""
    return without_home(shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]]))


def flat(result: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a ``result.json`` for W&B's summary.

    Under names that no row has: of those, W&B's client writes the last row's value over ours.
    """
    summary: dict[str, Any] = {"outcome": result["trainability"]["state"]}
    for protocol, values in result["errors"].items():
        summary |= {f"test/{protocol}/{name}": value for name, value in values.items()}
    for room, part in SUMMARY_ROOMS.items():
        summary |= {f"{room}/{name}": value for name, value in result.get(part, {}).items()}
    return summary
