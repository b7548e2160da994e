"""One attempt at a run: its status, its records, how it ends and what follows from that.

Loads torch. ``training/experiment.py`` is the next page of the story.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vgglab.config import Config
from vgglab.launch import slurm
from vgglab.launch.point import is_slurm_point, launched
from vgglab.runs import Place, RunDirectory, State, Status, write_result
from vgglab.runs.disk import bytes_of, spare_checkpoints
from vgglab.runs.records import Trainability
from vgglab.training.distributed import ProcessGroup
from vgglab.training.experiment import run_experiment
from vgglab.training.outcomes import Outcome
from vgglab.training.result import result_without_errors
from vgglab.training.stop import Interrupted
from vgglab.workflow.failure import reason_of, write_last_words
from vgglab.workflow.pretraining import first_weights, note_what_is_known, stage_of
from vgglab.workflow.provenance import command_line, commit, source, versions, write_config
from vgglab.world import ALONE

if TYPE_CHECKING:
    from vgglab.tracking.wandb_run import WandbSink

log = logging.getLogger(__name__)


def attempt(
    config: Config, directory: RunDirectory, status: Status, group: ProcessGroup | None = None
) -> None:
    """Train and test what is left of a run, and write down how it ended.

    Args:
        config: of the run, resolved.
        directory: of the run, which the caller has claimed.
        status: of the run, as it was before.
        group: the processes that train it together, of which this is the first; None: it is alone.

    Raises:
        Interrupted: a signal asked to stop; the checkpoint is written.
        Exception: the run failed; ``train.log`` has the traceback.
    """
    group = group or ProcessGroup(ALONE)
    write_config(directory, config)
    status.begin_attempt(
        Place(
            accelerator=config.trainer.accelerator,
            devices=config.devices,
            nodes=config.nodes,
            job=slurm.job_number(),
            submitted=is_slurm_point(),
            launched=launched(),
        )
    )
    note_what_is_known(stage_of(config), status)
    status.note_code(commit(), source(), versions())
    status.command = command_line()
    status.write(directory.status)
    log.info("attempt %d of %s", status.attempts, directory.id)
    state, reason = State.FAILED, ""
    try:
        _train_and_track(config, directory, status, group)
        state = State.FINISHED
    except Outcome as outcome:
        state, reason = outcome.state, str(outcome)
        found = result_without_errors(config, directory, state, reason)
        found["trainability"] |= cast("Trainability", outcome.details)
        write_result(directory, found)
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
        spare = _spare(config, directory, state)
        status.disk_bytes = bytes_of(directory.path) - sum(map(bytes_of, spare))
        write_last_words(status, directory)
        log.info("%s %s", state, reason)
        for path in spare:  # not before the ledger says that it has finished
            with contextlib.suppress(OSError):
                path.unlink()
        if state is State.INTERRUPTED and is_slurm_point():
            log.info("requeued: %s", slurm.requeue())


def _spare(config: Config, directory: RunDirectory, state: State) -> list[Path]:
    if state is not State.FINISHED or config.trainer.keep_checkpoints == "all":
        return []
    return spare_checkpoints(directory, config)


def follow(config: Config, directory: RunDirectory, group: ProcessGroup) -> None:
    """Compute with the first process of a run; that one claims, records and writes.

    Args:
        config: of the run, resolved.
        directory: of the run.
        group: the processes that train it together; this is not the first of them.

    Raises:
        Interrupted: a signal asked to stop.
        Exception: the run failed.
    """
    log.info("rank %d of %d", group.world.rank, group.world.size)
    try:
        run_experiment(config, directory, Status(), [], group, first_weights(config))
    except Outcome as error:
        log.info("%s", error)
    except Exception:
        log.exception("failed")
        raise


def _train_and_track(
    config: Config, directory: RunDirectory, status: Status, group: ProcessGroup
) -> None:
    """Train, test, and write ``result.json``; W&B follows unless ``tracking=off``."""
    weights = first_weights(config)
    if config.tracking.mode == "off":
        write_result(directory, run_experiment(config, directory, status, [], group, weights))
        return
    # Imported only here: with tracking=off nothing loads W&B.
    from vgglab.workflow.wandb_cards import keep_files, sink_of, summary_of

    sink: WandbSink = sink_of(config, directory, status)
    exit_code = 1
    summary: dict[str, Any] = {}
    try:
        result = run_experiment(config, directory, status, [sink], group, weights)
        write_result(directory, result)
        summary = summary_of(result)
        keep_files(config, directory, result, sink)
        exit_code = 0
    except Outcome as outcome:
        summary = {"outcome": str(outcome.state)}
        sink.alert(f"{directory.id}: {outcome.state}", str(outcome))
        raise
    except Interrupted:
        raise
    except Exception as error:
        sink.alert(f"{directory.id}: {State.FAILED}", reason_of(error, config))
        raise
    finally:
        sink.finish(summary, exit_code)


def interrupted(config: Config, reason: str) -> tuple[State, str]:
    """The state and the reason of a run that was interrupted.

    Under SLURM one that is interrupted again and again has failed (``launcher.max_attempts``).
    """
    starts, most = slurm.start_count(), config.launcher.max_attempts
    if is_slurm_point() and starts >= most:
        return State.FAILED, f"interrupted {starts} times (launcher.max_attempts): {reason}"
    return State.INTERRUPTED, reason
