"""Two runs of one config, compared bit by bit in all but what a clock decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from vgglab.runs import RunDirectory, read_metrics
from vgglab.verify.trial import BATCHES, END

CLOCKED = ("time", "speed", "speed/", "hardware", "run", "seconds")
"""How keys begin whose values are about time, or name the run."""


def differences(
    reference: RunDirectory, other: RunDirectory, parts: Sequence[str] = ()
) -> dict[str, bool]:
    """Part of a run -> whether it differs; all parts, or some."""
    return {name: PARTS[name](reference) != PARTS[name](other) for name in parts or PARTS}


def _bits(value: Any) -> Any:
    """A value that is equal to another only where all bits are."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        return str(value.dtype), tuple(value.shape), flat.numpy().tobytes()
    if isinstance(value, Mapping):
        return {key: _bits(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_bits(item) for item in value]
    return repr(value)


def _unclocked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _unclocked(v) for k, v in value.items() if not str(k).startswith(CLOCKED)}
    return value


def _stored(path: Path) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return stored


def _weights(run: RunDirectory) -> Any:
    return [_bits(_stored(p)["state_dict"]) for p in (run.last_checkpoint, run.best_checkpoint)]


def _optimiser(run: RunDirectory) -> Any:
    return _bits(_stored(run.last_checkpoint)["optimizer_states"])


def _rates(run: RunDirectory) -> Any:
    """Of the last checkpoint, with whatever rule moves them."""
    stored = _stored(run.last_checkpoint)
    rules = {
        name: state
        for name, state in stored["callbacks"].items()
        if not name.startswith("ModelCheckpoint")  # it keeps its folder's name
    }
    return _bits([stored["lr_schedulers"], rules])


def _progress(run: RunDirectory) -> Any:
    stored = _stored(run.last_checkpoint)
    return _bits([stored["epoch"], stored["global_step"], stored["loops"]])


def _batches(run: RunDirectory) -> Any:
    """Content of each batch; where one was trained on twice, both must have been the same."""
    seen: dict[tuple[int, int], set[int]] = {}
    for line in (run.path / BATCHES).read_text(encoding="utf-8").splitlines():
        note = json.loads(line)
        seen.setdefault((note["epoch"], note["batch"]), set()).add(note["content"])
    return seen


def _generators(run: RunDirectory) -> Any:
    return json.loads((run.path / END).read_text(encoding="utf-8"))["generators"]


def _records(run: RunDirectory) -> Any:
    """In the order of the file, so that none is missing and none there twice."""
    return [_unclocked(record) for record in read_metrics(run.metrics)]


def _predictions(run: RunDirectory) -> Any:
    return {
        path.name: pq.read_table(path)
        for path in sorted((run.path / "predictions").glob("*.parquet"))
    }


def _result(run: RunDirectory) -> Any:
    return _unclocked(json.loads(run.result.read_text(encoding="utf-8")))


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
"""What is compared."""

RECORDED: Sequence[str] = ("weights", "optimiser", "metrics.jsonl", "predictions", "result.json")
"""Of these, what any finished run has."""
