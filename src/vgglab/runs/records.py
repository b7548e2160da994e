"""All runs of a folder, as records that any other room can read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vgglab.runs.directory import RunDirectory
from vgglab.runs.metrics import Record, read_metrics
from vgglab.runs.status import Status


@dataclass(frozen=True)
class RunRecord:
    """What is on disk of one run."""

    directory: RunDirectory
    config: dict[str, Any]
    """``config.yaml``."""
    status: Status
    result: dict[str, Any] | None
    """``result.json``; none before the run has an outcome."""
    certificate: dict[str, Any] | None = None
    """``verify.json``; none where nobody asked for it."""

    @property
    def id(self) -> str:
        return self.directory.id

    def metrics(self) -> list[Record]:
        """Every record of ``metrics.jsonl``."""
        return read_metrics(self.directory.metrics)


def load_run(path: Path) -> RunRecord:
    """The record of the run in a directory.

    Raises:
        FileNotFoundError: there is no ``config.yaml`` in it.
    """
    directory = RunDirectory(path)
    config = yaml.safe_load(directory.config.read_text(encoding="utf-8"))
    result, certificate = _json(directory.result), _json(directory.certificate)
    return RunRecord(directory, config, directory.read_status(), result, certificate)


def _json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def load_runs(folder: Path) -> list[RunRecord]:
    """Every run in a folder, by name."""
    return [load_run(path.parent) for path in sorted(folder.glob("*/config.yaml"))]
