"""Opens a W&B run, online or offline, with its files in the run's folder."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import wandb

from vgglab.config import TrackingConfig
from vgglab.tracking import server
from vgglab.tracking.cards import DataCard, RunCard, code_files, columns
from vgglab.tracking.local_files import SERVICE
from vgglab.tracking.wandb_internals import (
    files_uncopied,
    own_media_folder,
    spare_launch,
    staging_folder,
)

log = logging.getLogger(__name__)

_with_media_folder = {os.getpid()}
"""Processes with a folder of their own for W&B's media: that which loads W&B, not its forks."""


def open_run(tracking: TrackingConfig, card: RunCard, directory: Path) -> wandb.Run:
    """Open the W&B run of a card, and log its data set and code.

    Online, a run of the same id goes on. Offline there is one file, written anew. Where the server
    does not answer or refuses, the run is kept offline, with a warning, for ``task=sync``.

    Args:
        tracking: Project, entity, mode and time limits of W&B.
        card: What is known of the run.
        directory: The run's folder, which keeps W&B's files.

    Returns:
        The open run.
    """
    os.environ.pop(SERVICE, None)
    if os.getpid() not in _with_media_folder:
        own_media_folder()
        _with_media_folder.add(os.getpid())
    # A killed run would lose up to 15 s of rows that are still in W&B's memory.
    os.environ.setdefault("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", "1")
    # W&B copies the files of an artifact; the copies must still exist when the run is uploaded.
    staging = directory.absolute() / "wandb" / "data"
    os.environ["WANDB_DATA_DIR"] = str(staging)
    _drop_unsynced_attempts(directory, card.id)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True, exist_ok=True)
    run = _online(tracking, card, directory) if tracking.mode == "online" else None
    run = run or _init(tracking, card, directory, online=False)
    if card.data:
        run.log_artifact(_data_artifact(card.data))
    if card.code:
        _log_code(run, tracking.project, card.code)
    return run


def _log_code(run: wandb.Run, project: str, checkout: Path) -> None:
    """Log the code of a checkout from a copy of it: W&B walks through the whole of its folder.

    A checkout may hold environments, data sets and thousands of runs. W&B uploads the copy, however
    much later, and removes its files then.
    """
    copied = Path(tempfile.mkdtemp(dir=staging_folder()))
    for path in code_files(checkout):
        copy = copied / path.relative_to(checkout)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    # As W&B names it; it does not find the program's name itself when a launcher started us.
    name = f"source-{project}-run.py"
    with files_uncopied():
        run.log_code(str(copied), name=name, include_fn=lambda _: True)


def _online(tracking: TrackingConfig, card: RunCard, directory: Path) -> wandb.Run | None:
    """Open the run online; None, with a warning, where the server cannot take it."""
    url = server.base_url()
    reason = server.why_not(url)
    before = set(directory.glob("wandb/run-*"))
    if not reason:
        try:
            return _init(tracking, card, directory, online=True)
        except Exception as error:  # of many classes; none may end a training
            reason = str(error).partition("\n")[0] or type(error).__name__
            wandb.teardown()  # its service may still wait for that server
            for begun in set(directory.glob("wandb/run-*")) - before:
                shutil.rmtree(begun)
    log.warning("%s: %s: kept offline; task=sync uploads it", url, reason)
    return None


def _init(tracking: TrackingConfig, card: RunCard, directory: Path, *, online: bool) -> wandb.Run:
    spare_launch()
    # The agent of a sweep has set the project of the sweep for its processes.
    agent = server.agent_run_id() is not None
    return wandb.init(
        project=None if agent else tracking.project,
        entity=None if agent else tracking.entity,
        dir=directory.absolute(),  # the service of another process has another working folder
        mode="online" if online else "offline",
        id=card.id,
        resume="allow" if online else None,
        name=card.name,
        group=os.environ.get("WANDB_RUN_GROUP") or card.group,
        job_type=card.job_type,
        tags=(*card.tags, *filter(None, os.environ.get("WANDB_TAGS", "").split(","))),
        notes="\n\n".join(filter(None, (os.environ.get("WANDB_NOTES"), card.notes))),
        # One root, plain containers: W&B turns nested config nodes into strings.
        config={"cfg": dict(card.config)} | columns(card.config),
        settings=wandb.Settings(
            console="off",
            quiet=True,
            silent=True,
            # The metadata are the host's name and absolute paths with the user's home in them; the
            # config has what matters of them.
            x_disable_meta=True,
            init_timeout=tracking.start_seconds,
            finish_timeout=tracking.finish_seconds,
            finish_timeout_raises=True,
            # Read by W&B once a process, and perhaps for a run that was not the agent's.
            **_of_agent() if agent else {},
        ),
    )


def _of_agent() -> dict[str, Any]:
    """W&B's settings by which a run is the one that the agent of a sweep has asked for."""
    variables = {"sweep_id": "WANDB_SWEEP_ID", "sweep_param_path": "WANDB_SWEEP_PARAM_PATH"}
    return {name: os.environ[known] for name, known in variables.items() if known in os.environ}


def write_out() -> None:
    """Have W&B's service write the files of ended runs, to their last block."""
    wandb.teardown()


def _data_artifact(data: DataCard) -> wandb.Artifact:
    """Return a reference to the data set; the same data give the same version, without images."""
    artifact = wandb.Artifact(
        f"data-{data.name}",
        type="dataset",
        metadata={"fingerprint": data.fingerprint, "config": dict(data.config)},
    )
    artifact.add_reference(f"{data.url}#{data.fingerprint}", name="fingerprint", checksum=False)
    return artifact


def _drop_unsynced_attempts(directory: Path, run_id: str) -> None:
    """Remove offline files that no server has: the new file will hold every row of them."""
    for attempt in directory.glob(f"wandb/offline-run-*-{run_id}"):
        if not list(attempt.glob("*.synced")):
            shutil.rmtree(attempt)
