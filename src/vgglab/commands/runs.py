"""``task=runs``: the state of every run."""

from __future__ import annotations

import dataclasses
from typing import Any

from vgglab.config import Config
from vgglab.launch.screen import status_table
from vgglab.workflow.output import print_rows
from vgglab.workflow.points import runs_of_this_command

COLUMNS = (
    "run", "state", "epoch", "epochs", "validation_error", "attempts", "host", "parent", "reason",
)  # fmt: skip
"""Columns of ``format=csv``; JSON has every field of ``status.json``."""


def runs(config: Config) -> None:
    """Print the runs of ``paths.runs``, or of the study that is named."""
    found = [(directory.id, directory.read_status()) for directory in runs_of_this_command(config)]
    rows: list[dict[str, Any]] = [
        {"run": name} | dataclasses.asdict(status) for name, status in found
    ]
    if config.format == "table" and not rows:
        print(f"no runs in {config.paths.runs}")
        return
    print_rows(rows, config.format, tables=lambda: [status_table(found)], columns=COLUMNS)
