"""``task=train``: one run, trained once by whoever claims it first."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import yaml

from vgglab.app.logs import log_to
from vgglab.app.provenance import commit, versions
from vgglab.app.tracked import plain, replay, train_and_track
from vgglab.config import Config
from vgglab.data.sources import fingerprint
from vgglab.launch.point import die_with_parent, is_point
from vgglab.runs import RunDirectory, State, Status, run_id
from vgglab.runs.atomic import write_json, write_text

log = logging.getLogger(__name__)


def directory_of(config: Config) -> RunDirectory:
    """Where a resolved config's run lives."""
    return RunDirectory(Path(config.paths.runs) / run_id(config, fingerprint(config.data)))


def train(config: Config, root: Path) -> None:
    """Train the run of a config unless it already has an outcome; wait if another process does.

    Raises:
        Interrupted: a signal asked to stop; the checkpoint is written.
        DataError: the data set cannot be had.
    """
    if is_point():
        die_with_parent()
    directory = directory_of(config)
    if directory.is_claimed():
        print(f"{directory.id}: another process trains it; waiting", flush=True)
    with directory.claim():
        status = directory.read_status()
        if status.state.is_outcome:
            if waits_for_online_run(config):
                replay(config, directory, status, root)
            print(f"{directory.id}: already {status.state}; {summary_line(directory)}")
            return
        # Imported only now: a run that is already done is found without loading torch.
        import vgglab.training.experiment  # noqa: F401

        with log_to(directory.log):
            _attempt(config, directory, status, root)
    print(f"{directory.id}: {Status.read(directory.status).state}; {summary_line(directory)}")


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
    return f"{errors or result['trainability']['reason']} ({directory.path})"


def _attempt(config: Config, directory: RunDirectory, status: Status, root: Path) -> None:
    from vgglab.training.callbacks import Interrupted
    from vgglab.training.module import Diverged

    write_text(directory.config, yaml.safe_dump(plain(config), sort_keys=False))
    status.begin_attempt()
    status.epochs = config.recipe.epochs
    status.commit, status.versions = commit(root), versions()
    status.write(directory.status)
    log.info("attempt %d of %s", status.attempts, directory.id)
    state, reason = State.FAILED, ""
    try:
        train_and_track(config, directory, status, root)
        state = State.FINISHED
    except Diverged as error:
        state, reason = State.DIVERGED, str(error)
        write_json(directory.result, _diverged(directory, reason))
    except (Interrupted, KeyboardInterrupt) as error:
        state, reason = State.INTERRUPTED, str(error)
        raise
    except BaseException as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        log.exception("failed")
        error.vgglab_log = str(directory.log)  # type: ignore[attr-defined]
        raise
    finally:
        status.state, status.reason = state, reason
        status.write(directory.status)
        log.info("%s %s", state, reason)


def _diverged(directory: RunDirectory, reason: str) -> dict[str, Any]:
    return {
        "run": directory.id,
        "errors": {},
        "trainability": {"state": str(State.DIVERGED), "reason": reason},
    }
