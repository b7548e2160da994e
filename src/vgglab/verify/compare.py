"""Compares two runs of one config bit by bit, except for times and speeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from vgglab.evaluation.predictions import ORIGINAL
from vgglab.runs import RunDirectory, read_metrics, read_result
from vgglab.verify.trial import BATCHES, END

TIMED_KEYS = ("time", "speed", "speed/", "hardware", "run", "seconds")
"""Prefixes of keys whose values depend on the clock, the machine or the run's name."""


def differences(
    reference: RunDirectory, other: RunDirectory, parts: Sequence[str] = ()
) -> dict[str, bool]:
    """Compare two runs part by part.

    Args:
        reference: The undisturbed run.
        other: The run to compare with it.
        parts: Keys of ``PARTS``; all of them if empty.

    Returns:
        Part -> whether it differs.
    """
    return {name: PARTS[name](reference) != PARTS[name](other) for name in parts or PARTS}


def _bits(value: Any) -> Any:
    """Return a value that equals another one only if all bits are equal (NaN equals NaN)."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        return str(value.dtype), tuple(value.shape), flat.numpy().tobytes()
    if isinstance(value, Mapping):
        return {key: _bits(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_bits(item) for item in value]
    return repr(value)


def _without_times(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_times(v) for k, v in value.items() if not str(k).startswith(TIMED_KEYS)}
    return value


def _stored(path: Path) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return stored


def _checkpoints(run: RunDirectory) -> tuple[Path, Path]:
    return run.last_checkpoint, run.best_checkpoint


def _weights(run: RunDirectory) -> Any:
    return [_bits(_stored(path)["state_dict"]) for path in _checkpoints(run)]


def _optimiser(run: RunDirectory) -> Any:
    return _bits(_stored(run.last_checkpoint)["optimizer_states"])


def _rates(run: RunDirectory) -> Any:
    """Return the learning rates of the last checkpoint, the state of the rule that sets them, and
    the best epoch so far."""
    stored = _stored(run.last_checkpoint)
    return _bits([stored["lr_schedulers"], stored["callbacks"]])


def _progress(run: RunDirectory) -> Any:
    stored = _stored(run.last_checkpoint)
    return _bits([stored["epoch"], stored["global_step"], stored["loops"]])


def _batches(run: RunDirectory) -> Any:
    """Return the checksums of each batch: one, if it was the same whenever it was trained on."""
    checksums: dict[tuple[int, int], set[int]] = {}
    for line in (run.path / BATCHES).read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        batch = record["epoch"], record["batch"]
        checksums.setdefault(batch, set()).add(record["content"])
    return checksums


def _generators(run: RunDirectory) -> Any:
    return json.loads((run.path / END).read_text(encoding="utf-8"))["generators"]


def _records(run: RunDirectory) -> Any:
    """Return the records in the order of the file: a missing or repeated one makes a difference."""
    return [_without_times(record) for record in read_metrics(run.metrics)]


def _predictions(run: RunDirectory) -> Any:
    tables = {
        path.name: pq.read_table(path)
        for path in sorted((run.path / "predictions").glob("*.parquet"))
    }
    # An image's original is not of the net's doing, and files of before 26 November 2026 lack it.
    return {
        name: table.select([column for column in table.column_names if column != ORIGINAL.name])
        for name, table in tables.items()
    }


def _result(run: RunDirectory) -> Any:
    return _without_times(read_result(run))


PARTS: Mapping[str, Callable[[RunDirectory], Any]] = {
    "weights": _weights,
    "optimiser": _optimiser,
    "learning rate": _rates,
    "progress": _progress,
    "batches": _batches,
    "random generators": _generators,
    "metrics.jsonl": _records,
    "predictions": _predictions,
    "result.json": _result,
}
"""Name of a part of a run -> function that returns its comparable content."""

RECORDED = ("metrics.jsonl", "predictions", "result.json")
"""The parts that every finished run has, verified or not, besides a checkpoint."""


def recorded_differences(reference: RunDirectory, run: RunDirectory) -> dict[str, bool]:
    """Compare a finished run with one that was watched: in all that its folder still has.

    Args:
        reference: The undisturbed run, with both checkpoints.
        run: The run as it was recorded, which keeps one of them or both.

    Returns:
        Part -> whether it differs.
    """
    pairs = [
        (of_reference, recorded)
        for of_reference, recorded in zip(_checkpoints(reference), _checkpoints(run), strict=True)
        if recorded.exists()
    ]
    weights = [[_bits(_stored(path)["state_dict"]) for path in pair] for pair in pairs]
    return {
        "weights": any(one != other for one, other in weights),
        **(differences(reference, run, ["optimiser"]) if run.last_checkpoint.exists() else {}),
        **differences(reference, run, RECORDED),
    }
