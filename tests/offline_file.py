"""A run as W&B is told of it, and what is then in its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vgglab.tracking.cards import RunCard
from vgglab.tracking.offline_file import records

CARD = RunCard(
    id="a-s0-0123456789abcdef",
    name="a-s0",
    group="depth",
    job_type="train",
    tags=("a",),
    notes="python run.py model=a",
    config={"model": {"name": "a", "lrn": {"size": 5}}, "recipe": {"top": [1, 5]}},
)


def of_kind(path: Path, kind: str) -> list[Any]:
    """The payloads of the records of one kind, such as ``run``, ``history``, ``exit``."""
    return [getattr(r, kind) for r in records(path) if r.WhichOneof("record_type") == kind]


def history(path: Path) -> list[dict[str, Any]]:
    """Every logged row, without W&B's own columns."""
    rows = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in row.item}
        for row in of_kind(path, "history")
    ]
    return [{key: value for key, value in row.items() if key[0] != "_"} for row in rows]


def offline_file(folder: Path) -> Path:
    """The only offline file under a folder."""
    (path,) = folder.rglob("*.wandb")
    return path
