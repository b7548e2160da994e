"""Error against epoch, for each seed and for the mean of an arm."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vgglab.runs import RunRecord, State
from vgglab.study.arms import Arm, arms
from vgglab.study.view import StudyView

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class Curve:
    """Top-1 error by epoch of one seed, percent."""

    seed: int
    finished: bool
    train: Mapping[float, float]
    validation: Mapping[float, float]


def _curve(run: RunRecord) -> Curve:
    """The curve of a run, from the one record of each epoch that has validation values."""
    splits: dict[Split, dict[float, float]] = {"train": {}, "validation": {}}
    for record in run.metrics():
        if "validation/top1_error" not in record:
            continue
        for split, points in splits.items():
            value = record.get(f"{split}/top1_error")
            if value is not None:  # null: not finite, the run was diverging
                points[round(record["epoch"], 3)] = value
    finished = run.state is State.FINISHED
    return Curve(run.config.seed, finished, splits["train"], splits["validation"])


def learning_curves(view: StudyView) -> dict[Arm, tuple[Curve, ...]]:
    """Arm -> the curve of every seed that has recorded an epoch, by seed."""
    arm_of = arms(view)
    found: dict[Arm, list[Curve]] = defaultdict(list)
    for run in view.runs:
        curve = _curve(run)
        if curve.validation:
            found[arm_of[run.id]].append(curve)
    return {arm: tuple(sorted(c, key=lambda c: c.seed)) for arm, c in sorted(found.items())}


def mean_curve(curves: Sequence[Curve], split: Split) -> dict[float, float]:
    """Mean over the seeds that finished, at the epochs that all of them have.

    Averaging whatever seeds an epoch happens to have would bend the line where one stops.
    """
    points: list[Mapping[float, float]] = [getattr(c, split) for c in curves if c.finished]
    if not points:
        return {}
    shared = set.intersection(*(set(p) for p in points))
    return {epoch: statistics.fmean(p[epoch] for p in points) for epoch in sorted(shared)}
