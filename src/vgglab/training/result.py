"""The parts of ``result.json``; its keys are written here alone. Loads no torch."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from vgglab.config import Config, Procedure
from vgglab.data.sources.registry import skipped_files
from vgglab.data.splits import SPLITS
from vgglab.models.cost import NetCost
from vgglab.runs import Record, RunDirectory, State
from vgglab.runs.atomic import write_text
from vgglab.runs.records import (
    Hardware,
    NetSize,
    ProtocolErrors,
    ProtocolTest,
    Result,
    SkippedFiles,
    Speed,
    Trainability,
)
from vgglab.training.net_cost import net_cost

log = logging.getLogger(__name__)

SELECTION_METRIC = "validation/top1_error"
"""Key of a record; the best weights are those of its lowest value."""


def best_record(records: Iterable[Record]) -> Record | None:
    """That of the epoch whose weights are the best: the first of the lowest validation error.

    None where no epoch has ended.
    """
    epochs = [record for record in records if SELECTION_METRIC in record]
    return min(epochs, key=lambda record: float(record[SELECTION_METRIC]), default=None)


def trained_result(
    run: str,
    records: Sequence[Record],
    cost: NetCost,
    speed: Mapping[str, float],
    hardware: Mapping[str, Any],
) -> Result:
    """What the training of a finished run says.

    Args:
        run: the run's id.
        records: those of ``metrics.jsonl`` that end an epoch, in order.
        cost: that of the net.
        speed: medians over the epochs; see ``speed_of``.
        hardware: see ``hardware``, with the kernels in use.
    """
    best = best_record(records)
    assert best is not None
    return {
        "run": run,
        "validation": {
            "best_top1_error": best[SELECTION_METRIC],
            "best_epoch": round(best["epoch"]),
            "last_top1_error": records[-1][SELECTION_METRIC],
        },
        "cost": _totals(cost),
        "speed": cast("Speed", dict(speed)),
        "hardware": cast("Hardware", dict(hardware)),
        "trainability": _trainability(State.FINISHED),
    }


def result_without_errors(
    config: Config, directory: RunDirectory, state: State, reason: str
) -> Result:
    """The whole result of a run whose outcome is that it has no errors.

    Args:
        config: the run's config.
        directory: the run's directory.
        state: diverged or untrainable.
        reason: a sentence for people.
    """
    return {
        "run": directory.id,
        "errors": {},
        "cost": _totals(net_cost(config)),
        "trainability": _trainability(state, reason),
    }


def _trainability(state: State, reason: str = "") -> Trainability:
    return {"state": str(state), "reason": reason}


def _totals(cost: NetCost) -> NetSize:
    totals = {key: value for key, value in cost.as_dict().items() if isinstance(value, int)}
    return cast("NetSize", totals)


def tested_part(
    errors: Mapping[str, ProtocolErrors],
    tests: Mapping[str, ProtocolTest],
    images: int,
    skipped: int,
) -> Result:
    """What the tests of a run say.

    Args:
        errors: scores by label of a procedure; see ``scores_of``.
        tests: how each was tested; see ``procedure_part``.
        images: images of the test split.
        skipped: those of them that could not be read.
    """
    found: Result = {"errors": dict(errors), "tests": dict(tests)}
    # Kept only where there is something to say: every image of most data sets can be read.
    if skipped:
        found["test"] = {"images": images, "skipped": skipped, "counted_as": "errors"}
    return found


def procedure_part(procedure: Procedure, seconds: float) -> ProtocolTest:
    """How a net was tested under one procedure, in that many seconds of forwards."""
    return {
        "scales": list(procedure.scales),
        "mirrored": procedure.mirrored,
        "forwards": procedure.forwards,
        "seconds": round(seconds, 3),
    }


def skipped_part(config: Config, directory: RunDirectory) -> Result:
    """Write ``skipped.csv``, warn, and return the counts; empty where every file can be read."""
    found = skipped_files(config.data, config.paths.data_folder)
    if not found:
        return {}
    counts = Counter(skipped.split for skipped in found)
    rows = [(skipped.split, skipped.file, skipped.reason) for skipped in found]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("split", "file", "reason"), *rows])
    write_text(directory.skipped, text.getvalue())
    log.warning(
        "data.on_error=skip: %d training and %d validation images cannot be read and are left out; "
        "%d test images cannot be read and count as errors (%s)",
        *(counts[split] for split in SPLITS),
        directory.skipped,
    )
    for row in rows:
        log.info("skipped: %s %s: %s", *row)
    part = {split: counts[split] for split in SPLITS} | {"files": rows}
    return {"skipped": cast("SkippedFiles", part)}
