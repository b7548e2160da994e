"""A run's record in W&B: the same id before and after a resume, every record exactly once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb

from vgglab.config import TrackingConfig

X_AXES = ("epoch", "images_seen")
MINIMISED = ("_error", "/loss")


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """What W&B is told of a run before its first record."""

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    notes: str
    """The command that starts it."""
    config: Mapping[str, Any]


class WandbSink:
    """Takes records as training makes them. Offline it keeps them under the run's directory."""

    def __init__(self, tracking: TrackingConfig, card: RunCard, directory: Path) -> None:
        self._tracking, self._card, self._directory = tracking, card, directory
        self._run: wandb.Run | None = None
        self._defined: set[str] = set()

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Open the W&B run and bring it to where training resumes.

        Rows carry the optimiser step as W&B's step. So online, where an earlier attempt's rows are
        kept, the repeated ones are ignored; offline, one new file holds the history and all that
        follows, and those of earlier attempts go.
        """
        # A killed run would lose up to 15 s of rows that are still in W&B's memory.
        os.environ.setdefault("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", "1")
        card, online = self._card, self._tracking.mode == "online"
        if not online:
            self._drop_unsynced_attempts()
        self._run = wandb.init(
            project=self._tracking.project,
            entity=self._tracking.entity,
            dir=self._directory,
            mode="online" if online else "offline",
            id=card.id,
            resume="allow" if online else None,
            name=card.name,
            group=card.group,
            job_type=card.job_type,
            tags=card.tags,
            notes=card.notes,
            # One root, plain containers: W&B turns nested config nodes into strings.
            config={"cfg": dict(card.config)},
            settings=wandb.Settings(console="off", quiet=True, silent=True),
        )
        for axis in X_AXES:
            self._run.define_metric(axis, hidden=True)
        for record in history:
            self.record(record)

    def record(self, record: Mapping[str, Any]) -> None:
        """Add one row."""
        assert self._run is not None
        values = {key: value for key, value in record.items() if key not in ("step", "time")}
        for name in values:
            if "/" in name and name.endswith(MINIMISED):
                self._define(name)
        self._run.log(values, step=record["step"])

    def _define(self, name: str) -> None:
        assert self._run is not None
        if name not in self._defined:
            self._defined.add(name)
            self._run.define_metric(name, step_metric="epoch", summary="min,last")

    def finish(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Write the summary and close the run, as failed unless ``exit_code`` is 0."""
        if self._run is not None:
            self._run.summary.update(dict(summary))
            self._run.finish(exit_code=exit_code)
            self._run = None

    def _drop_unsynced_attempts(self) -> None:
        for attempt in self._directory.glob(f"wandb/offline-run-*-{self._card.id}"):
            if not list(attempt.glob("*.synced")):
                shutil.rmtree(attempt)
