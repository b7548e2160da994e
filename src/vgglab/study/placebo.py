"""The null arm of a study: a net against itself under other seeds, a difference that is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from vgglab.config import arm_fields
from vgglab.config.claims import PROTOCOL, Claim
from vgglab.runs import State, net_name
from vgglab.study.arms import Arm, arms
from vgglab.study.claims.comparisons import Comparison, Side, comparisons
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.pairing import error_of, has_trained, pair
from vgglab.study.claims.tested import Point, common_label
from vgglab.study.looking import seeds_looked_at
from vgglab.study.view import StudyView

SHIFT = 1000
"""Added to a net's seeds for those of its null arm."""


class PlaceboRecord(TypedDict):
    """The null arm in ``claims.json``; errors are percentages, differences percentage points."""

    net: str
    seeds: list[int]
    other_seeds: list[int]
    mean: float | None
    """Of the net's errors less those of the same net under the other seeds."""
    interval: list[float] | None
    word: str | None
    """``not shown`` or ``shown``; None while a run of it has no outcome."""


@dataclass(frozen=True)
class NullPair:
    """A net and the same net under other seeds."""

    net: str
    protocol: str
    """Label of the test that both are compared under; empty where they share none."""
    points: Sequence[Point]
    other_points: Sequence[Point]
    errors: Mapping[int, float]
    """Seed -> top-1 error, percent, of the runs that trained."""
    other_errors: Mapping[int, float]

    @property
    def is_complete(self) -> bool:
        """Whether each of its runs has an outcome."""
        return all(p.state.is_outcome for p in (*self.points, *self.other_points))


def reference_points(view: StudyView) -> list[Point]:
    """The points of the net that most claims compare, by seed; of several the first in order."""
    arm_of = arms(view)
    claims: dict[Arm, set[str]] = {arm: set() for arm in sorted(set(arm_of.values()))}
    for comparison in comparisons(view)[0]:
        for point in comparison.points:
            claims[arm_of[point.id]].add(comparison.name)
    reference = max(claims, key=lambda arm: len(claims[arm]))
    chosen = [point for point in view.points if arm_of[point.id] == reference]
    return sorted(chosen, key=lambda point: point.config.seed)


def null_pair(view: StudyView) -> NullPair | None:
    """The net of a study's null arm and the arm, at the seeds looked at; None without one.

    A net that was dropped before the last complete look has fewer seeds than its null arm.
    """
    if not view.placebo:
        return None
    fields = arm_fields(view.placebo[0].config)
    seeds = seeds_looked_at(view)
    # The net that was trained again, also where other claims would choose another one by now.
    points = [
        p
        for p in view.points
        if arm_fields(p.config) == fields and p.config.seed in seeds and p.state != State.UNNEEDED
    ]
    others = [p for p in view.placebo if p.config.seed - SHIFT in seeds]
    names = (view.placebo[0].config.protocol.name,)
    label = common_label(names, [*points, *others], _CLAIM.metric) or ""
    return NullPair(
        net=net_name(view.placebo[0].config),
        protocol=label,
        points=sorted(points, key=lambda p: p.config.seed),
        other_points=sorted(others, key=lambda p: p.config.seed),
        errors=_errors(points, label),
        other_errors=_errors(others, label),
    )


def _errors(points: Sequence[Point], label: str) -> dict[int, float]:
    side, metric = Side({}, label, ()), _CLAIM.metric
    trained = [point for point in points if has_trained(point, side, metric)]
    found = {point.config.seed: error_of(point, side, metric) for point in trained}
    return {seed: error for seed, error in sorted(found.items()) if error is not None}


def placebo_record(view: StudyView) -> PlaceboRecord | None:
    """The null arm's difference, its interval and its word; None where none was asked for."""
    null = null_pair(view)
    if null is None:
        return None
    measured = _difference(null, view.reader)
    interval = measured.interval if measured else None
    word = None
    if interval and null.is_complete:
        word = "not shown" if interval[0] <= 0 <= interval[1] else "shown"
    return {
        "net": null.net,
        "seeds": list(null.errors),
        "other_seeds": list(null.other_errors),
        "mean": None if measured is None else round(measured.mean, 6),
        "interval": [round(end, 6) for end in interval] if interval else None,
        "word": word,
    }


def _difference(null: NullPair, reader: MistakesReader) -> Measured | None:
    """The net's error less that of the same net under the other seeds, as a claim measures it."""
    sides = tuple(
        Side({}, null.protocol, ({point.config.seed: point for point in points},))
        for points in (null.points, null.other_points)
    )
    if not all(side.nets[0] for side in sides):
        return None
    return pair(Comparison("placebo", _CLAIM, {}, ({},), sides), reader).difference(0, 1)


_CLAIM = Claim(
    statement="A net differs from itself under other seeds",
    direction="lower",
    compare=({PROTOCOL: "center"}, {PROTOCOL: "center"}),
)
