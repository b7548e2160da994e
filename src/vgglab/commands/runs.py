"""``task=runs``: the state of every run."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from vgglab.config import Config
from vgglab.launch.screen import status_table
from vgglab.runs import RunDirectory, Status
from vgglab.workflow.compose import grid_of_this_command, has_sweep

COLUMNS = ("state", "epoch", "epochs", "validation_error", "attempts", "host", "parent", "reason")


def print_ledger(config: Config) -> None:
    """Print the runs of ``paths.runs``, or of the study that is named."""
    rows = [(d.id, d.read_status()) for d in _directories(config)]
    if config.format == "json":
        print(json.dumps([{"run": name} | dataclasses.asdict(status) for name, status in rows]))
    elif config.format == "csv":
        _print_csv(rows)
    elif not rows:
        print(f"no runs in {config.paths.runs}")
    else:
        Console(soft_wrap=not sys.stdout.isatty()).print(status_table(rows))


def _directories(config: Config) -> list[RunDirectory]:
    if has_sweep():
        from vgglab.workflow.points import compose_points

        return [point.directory for point in compose_points(grid_of_this_command())]
    statuses = sorted(Path(config.paths.runs).glob("*/status.json"))
    return [RunDirectory(path.parent) for path in statuses]


def _print_csv(rows: Sequence[tuple[str, Status]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(("run", *COLUMNS))
    for name, status in rows:
        writer.writerow((name, *(getattr(status, column) for column in COLUMNS)))
