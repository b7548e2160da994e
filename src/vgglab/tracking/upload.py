"""Uploads what was kept offline. Does not load wandb: its own command does the work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vgglab.config import TrackingConfig
from vgglab.tracking.upload_marks import is_incomplete


def is_uploaded(attempt: Path) -> bool:
    """Whether ``wandb sync`` has marked an offline folder as uploaded in full."""
    return any(attempt.glob("*.wandb.synced"))


def offline_attempts(run: Path) -> list[Path]:
    """The offline folders of a run, in the order they were made."""
    return sorted(run.glob("wandb/offline-run-*"))


def waits_for_upload(run: Path) -> bool:
    """Whether a server lacks some of a run that was to go there."""
    return is_incomplete(run) or not all(map(is_uploaded, offline_attempts(run)))


def upload(attempts: Sequence[Path], tracking: TrackingConfig) -> str:
    """Run ``wandb sync`` on offline folders; what it printed.

    It marks each folder that it has uploaded, so that a second call goes on after an interruption.
    """
    where = ["--entity", tracking.entity] if tracking.entity else []
    ended = subprocess.run(
        [
            sys.executable, "-m", "wandb", "sync", "--yes",
            "--project", tracking.project, *where, *map(str, attempts),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )  # fmt: skip
    return ended.stdout
