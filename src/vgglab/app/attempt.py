"""One attempt at a run: its status, its records, how it ends and what follows from that."""

from __future__ import annotations

import dataclasses
import json
import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vgglab.app.provenance import commit, versions
from vgglab.config import Config
from vgglab.launch import slurm
from vgglab.runs import Place, RunDirectory, State, Status, readable_name
from vgglab.runs.atomic import write_json, write_text

if TYPE_CHECKING:
    from vgglab.training.parallel import Group

log = logging.getLogger(__name__)


def attempt(
    config: Config, directory: RunDirectory, status: Status, root: Path, group: Group
) -> None:
    from vgglab.training.module import Diverged
    from vgglab.training.stop import Interrupted

    write_text(directory.config, yaml.safe_dump(plain(config), sort_keys=False))
    trainer = config.trainer
    status.begin_attempt(
        Place(
            accelerator=trainer.accelerator,
            devices=config.devices,
            nodes=config.nodes,
            job=slurm.job_number(),
        )
    )
    status.epochs = config.recipe.epochs
    status.commit, status.versions = commit(root), versions()
    status.write(directory.status)
    log.info("attempt %d of %s", status.attempts, directory.id)
    state, reason = State.FAILED, ""
    try:
        _train_and_track(config, directory, status, group)
        state = State.FINISHED
    except Diverged as error:
        state, reason = State.DIVERGED, str(error)
        write_json(directory.result, _diverged(directory, reason))
    except (Interrupted, KeyboardInterrupt) as error:
        state, reason = interrupted(config, str(error))
        raise
    except BaseException as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        log.exception("failed")
        error.vgglab_log = str(directory.log)  # type: ignore[attr-defined]
        raise
    finally:
        status.end_attempt(state, reason)
        status.write(directory.status)
        log.info("%s %s", state, reason)
        if state is State.INTERRUPTED and slurm.is_slurm_point():
            log.info("requeued: %s", slurm.requeue())


def interrupted(config: Config, reason: str) -> tuple[State, str]:
    """What an interruption makes of a run: under SLURM one that never ends has failed."""
    starts, most = slurm.starts(), config.launcher.max_attempts
    if slurm.is_slurm_point() and starts >= most:
        return State.FAILED, f"interrupted {starts} times (launcher.max_attempts): {reason}"
    return State.INTERRUPTED, reason


def _diverged(directory: RunDirectory, reason: str) -> dict[str, Any]:
    return {
        "run": directory.id,
        "errors": {},
        "trainability": {"state": str(State.DIVERGED), "reason": reason},
    }


def _train_and_track(config: Config, directory: RunDirectory, status: Status, group: Group) -> None:
    from vgglab.training.experiment import run_experiment

    if config.tracking.mode == "off":
        write_json(directory.result, run_experiment(config, directory, status, [], group))
        return
    from vgglab.tracking.wandb_run import RunCard, WandbSink

    card = RunCard(
        id=directory.id,
        name=readable_name(config),
        group=config.study.name,
        job_type="train",
        tags=(config.model.name, config.norm.name, config.data.name, config.init.name),
        notes=command(),
        config=plain(config) | {"run": directory.id},
    )
    sink = WandbSink(config.tracking, card, directory.path)
    exit_code = 1
    summary: dict[str, Any] = {}
    try:
        result = run_experiment(config, directory, status, [sink], group)
        write_json(directory.result, result)
        summary = flat(result)
        exit_code = 0
    finally:
        sink.finish(summary, exit_code)


def command() -> str:
    """The command line of this process, as one would type it."""
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])


def flat(result: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a ``result.json`` under names of their own, as a W&B summary has them."""
    summary: dict[str, Any] = {}
    for protocol, values in result["errors"].items():
        summary |= {f"test/{protocol}/{name}": value for name, value in values.items()}
    for part in ("validation", "cost", "speed"):
        summary |= {f"{part}/{name}": value for name, value in result[part].items()}
    return summary


def plain(config: Config) -> dict[str, Any]:
    """The whole config as YAML and W&B take it."""
    tree: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return tree
