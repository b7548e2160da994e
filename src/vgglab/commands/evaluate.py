"""``task=evaluate``: finished runs under further protocols, and a table of what came out."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.runs import RunDirectory, State
from vgglab.workflow.compose import grid_of_this_command, has_sweep
from vgglab.workflow.evaluation import catch_up, config_of, result_of, skipped_note

Row = Mapping[str, Any]
ERRORS = ("top1_error", "top5_error")
NAMES = ("run", "net", "protocol")
"""Columns of words."""
WIDTH = 160
"""Characters of a table that goes into a file."""


def evaluate(config: Config) -> None:
    """Do what ``run``, ``sweeps``, ``fuse`` or ``weights`` asks for.

    Raises:
        ConfigError: none or several of them, or what they name cannot be tested so.
        DataError: images or weights are gone.
    """
    asked = {
        "run": bool(config.run),
        "fuse": bool(config.fuse),
        "weights": bool(config.weights),
        "sweeps": has_sweep(),
    }
    given = [name for name, is_given in asked.items() if is_given]
    if len(given) != 1:
        raise ConfigError(
            "task=evaluate takes one of run=<id>, sweeps=<name>, fuse=[<run>,<run>] and "
            f"weights=<file>; got {' and '.join(given) or 'none'}"
        )
    if config.fuse:
        from vgglab.workflow.fusion import fuse

        fuse(config)
    elif config.weights:
        from vgglab.workflow.published_weights import evaluate_weights

        evaluate_weights(config)
    else:
        _evaluate_runs(config)


def names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """One name or several, as several."""
    return (value,) if isinstance(value, str) else value


def _evaluate_runs(config: Config) -> None:
    rows: list[Row] = []
    for directory in _directories(config):
        rows += _evaluated(config, directory)
    print_rows(rows, config.format)
    if has_sweep() and config.format == "table":
        print("the study's report with these: task=report")


def _directories(config: Config) -> list[RunDirectory]:
    if has_sweep():
        from vgglab.workflow.points import compose_points

        # The protocol asked for here is not that of the study's points, which names their runs.
        grid = grid_of_this_command(leave_out=("protocol",))
        return [point.directory for point in compose_points(grid)]
    return [RunDirectory(Path(config.paths.runs) / name) for name in names(config.run)]


def _evaluated(config: Config, directory: RunDirectory) -> list[Row]:
    """The rows of one run, tested first where it was not."""
    if has_sweep() and not directory.config.exists():
        print(f"{directory.id}: not started; left out", file=sys.stderr)
        return []
    of_run = config_of(directory, config)
    if directory.is_claimed():
        print(f"{directory.id}: another process works on it; waiting", file=sys.stderr)
    with directory.claim():
        status = directory.read_status()
        if status.state is not State.FINISHED:
            if not has_sweep():
                raise ConfigError(f"run={directory.id}: {status.state}: it has no weights to test")
            print(f"{directory.id}: {status.state}; left out", file=sys.stderr)
            return []
        tested = {procedure.label for procedure in catch_up(of_run, directory)}
        result = result_of(directory)
    for procedure in of_run.procedures:
        how = "tested" if procedure.label in tested else "was tested before"
        print(f"{directory.id}: {how} under {procedure.label}", file=sys.stderr)
    if note := skipped_note(result):
        print(f"{directory.id}: {note}", file=sys.stderr)
    return [row(directory.id, procedure.label, result) for procedure in of_run.procedures]


def row(name: str, label: str, result: Mapping[str, Any]) -> Row:
    """What a result says of one test; errors are percentages."""
    errors, about = result["errors"][label], result.get("tests", {}).get(label, {})
    return {
        "run": name,
        "protocol": label,
        "scales": about.get("scales"),
        **{error: errors.get(error) for error in ERRORS},
        "images": errors["images"],
        "seconds": about.get("seconds"),
    }


def print_rows(rows: Sequence[Row], form: str) -> None:
    """As a table, as JSON or as CSV."""
    if form == "json":
        print(json.dumps(list(rows)))
        return
    columns = list(rows[0]) if rows else []
    if form == "csv":
        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows({name: _text(row[name]) for name in columns} for row in rows)
        return
    table = Table()
    for column in columns:
        is_name = column in NAMES
        table.add_column(_heading(column), justify="left" if is_name else "right", no_wrap=is_name)
    for one in rows:
        table.add_row(*(_text(one[column]) for column in columns))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def _heading(column: str) -> str:
    words = column.replace("_", " ").replace("top1", "top-1").replace("top5", "top-5")
    return f"{words}, %" if "error" in words else words


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return f"{value:.2f}" if isinstance(value, float) else str(value)
