"""Where two learning curves part, and how far they get from each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vgglab.runs import RunRecord

CURVES = {
    "validation error": "validation/top1_error",
    "training loss": "train/loss",
    "training loss, by step": "train/step_loss",
}
"""Name -> key of ``metrics.jsonl``. Errors are percentages, losses in nats."""

Values = Mapping[float, float | None]
"""Epoch -> value; None: not finite."""


@dataclass(frozen=True)
class CurveGap:
    """The second curve less the first, where both have a value."""

    curve: str
    points: int
    """Epochs, or steps, at which both have one."""
    parts_at: float | None
    """The first of these epochs at which they are not equal to the last digit; None: none."""
    largest: float
    """Of the differences, with its sign."""
    largest_at: float
    last: float
    last_at: float


def curve_gaps(first: RunRecord, second: RunRecord) -> list[CurveGap]:
    """The gap of each kind of curve that both runs have recorded."""
    ours, theirs = _curves(first), _curves(second)
    gaps = (gap(name, ours[name], theirs[name]) for name in CURVES)
    return [found for found in gaps if found]


def gap(name: str, first: Values, second: Values) -> CurveGap | None:
    """The gap of two curves; None where they share no finite value.

    Args:
        name: of the curve.
        first: epoch -> value.
        second: epoch -> value.
    """
    shared = sorted(first.keys() & second.keys())
    by_epoch = {
        epoch: after - before
        for epoch in shared
        if (before := first[epoch]) is not None and (after := second[epoch]) is not None
    }
    if not by_epoch:
        return None
    widest = max(by_epoch, key=lambda epoch: abs(by_epoch[epoch]))
    last = max(by_epoch)
    return CurveGap(
        curve=name,
        points=len(shared),
        parts_at=next((epoch for epoch in shared if first[epoch] != second[epoch]), None),
        largest=by_epoch[widest],
        largest_at=widest,
        last=by_epoch[last],
        last_at=last,
    )


def _curves(run: RunRecord) -> dict[str, dict[float, float | None]]:
    records = run.metrics()
    return {
        name: {round(r["epoch"], 4): r[key] for r in records if key in r and "epoch" in r}
        for name, key in CURVES.items()
    }
