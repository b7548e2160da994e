"""One attempt at a run: its status, its records, how it ends and what follows from that."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from vgglab.config import Config
from vgglab.launch import slurm
from vgglab.launch.point import launched
from vgglab.runs import Place, RunDirectory, State, Status
from vgglab.runs.atomic import write_json
from vgglab.training.result import result_without_errors
from vgglab.workflow.failure import reason_of, write_last_words
from vgglab.workflow.pretraining import parent_id
from vgglab.workflow.provenance import commit, source, versions, write_config
from vgglab.workflow.wandb_cards import train_and_track

if TYPE_CHECKING:
    from vgglab.training.distributed import ProcessGroup

log = logging.getLogger(__name__)


def attempt(
    config: Config, directory: RunDirectory, status: Status, root: Path, group: ProcessGroup
) -> None:
    from vgglab.training.outcomes import Outcome
    from vgglab.training.stop import Interrupted

    write_config(directory, config)
    trainer = config.trainer
    status.begin_attempt(
        Place(
            accelerator=trainer.accelerator,
            devices=config.devices,
            nodes=config.nodes,
            job=slurm.job_number(),
            launched=launched(),
        )
    )
    status.epochs, status.parent = config.recipe.epochs, parent_id(config)
    status.note_code(commit(root), source(), versions())
    status.write(directory.status)
    log.info("attempt %d of %s", status.attempts, directory.id)
    state, reason = State.FAILED, ""
    try:
        train_and_track(config, directory, status, root, group)
        state = State.FINISHED
    except Outcome as outcome:
        state, reason = outcome.state, str(outcome)
        found = result_without_errors(config, directory, state, reason)
        found["trainability"] |= outcome.details
        write_json(directory.result, found)
    except (Interrupted, KeyboardInterrupt) as error:
        state, reason = interrupted(config, str(error))
        raise
    except BaseException as error:
        reason = reason_of(error, config)
        log.exception("failed")
        # For main: an exception of any class may come here, and none has a field for it.
        error.vgglab_log = str(directory.log)  # type: ignore[attr-defined]
        raise
    finally:
        status.end_attempt(state, reason)
        write_last_words(status, directory)
        log.info("%s %s", state, reason)
        if state is State.INTERRUPTED and slurm.is_slurm_point():
            log.info("requeued: %s", slurm.requeue())


def interrupted(config: Config, reason: str) -> tuple[State, str]:
    """What an interruption makes of a run: under SLURM one that never ends has failed."""
    starts, most = slurm.starts(), config.launcher.max_attempts
    if slurm.is_slurm_point() and starts >= most:
        return State.FAILED, f"interrupted {starts} times (launcher.max_attempts): {reason}"
    return State.INTERRUPTED, reason
