"""The null arm of a study: a net against itself under other seeds, a difference that is none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from vgglab.config import arm_fields
from vgglab.config.claims import PROTOCOL, Claim
from vgglab.runs import State, net_name
from vgglab.study.arms import Arm, arms
from vgglab.study.claims.comparisons import Comparison, comparisons
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.looks import ROUNDING, seeds_looked_at
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.pairing import error_of, has_trained, pair
from vgglab.study.claims.sides import Side
from vgglab.study.claims.spending import Spending, spending
from vgglab.study.claims.tested import Point, common_label
from vgglab.study.ledger import LookedAt, LookLine
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
    """At 95%, at this look by itself; the word allows for the other looks."""
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
    return {
        "net": null.net,
        "seeds": list(null.errors),
        "other_seeds": list(null.other_errors),
        "mean": None if measured is None else round(measured.mean, 6),
        "interval": [round(end, 6) for end in interval] if interval else None,
        "word": _word(null, measured, *_look(view, null)),
    }


def null_looked_at(view: StudyView) -> LookedAt | None:
    """What a ledger has of the null arm at a look; None where it has no word."""
    null = null_pair(view)
    if null is None:
        return None
    rule, look = _look(view, null)
    word = _word(null, _difference(null, view.reader), rule, look)
    if word is None:
        return None
    return replace(_judgement_of(null), word=word, alpha_spent=ALPHA * rule.spent(look))


def _word(null: NullPair, measured: Measured | None, rule: Spending, look: int) -> str | None:
    """The word at a look: all looks at the null arm share its 5%, as those at a claim do."""
    tail = rule.tail(ALPHA / 2, look)
    interval = measured.interval_of(tail, tail) if measured else None
    if interval is None or not null.is_complete:
        return None
    return "not shown" if interval[0] <= 0 <= interval[1] else "shown"


def _look(view: StudyView, null: NullPair) -> tuple[Spending, int]:
    """Which look at the null arm this is, and the rule of spending: that of the declared looks, or
    where it had its word otherwise before that of a study that declared none."""
    earlier: list[LookedAt] = []
    for line in view.ledger:
        found = line.null
        if found is None or found.is_same(_judgement_of(null)) or _is_declared(view, line, found):
            continue
        if not any(map(found.is_same, earlier)):
            earlier.append(found)
    if view.looks and not earlier:
        return spending(view.looks), max(1, view.complete)
    return spending(()), len(earlier) + 1


def _is_declared(view: StudyView, line: LookLine, found: LookedAt) -> bool:
    """Whether a judgement was at one of the declared looks, as they are now."""
    if line.look is None or line.look > len(view.looks):
        return False
    return found.alpha_spent <= ALPHA * spending(view.looks).spent(line.look) + ROUNDING


def _judgement_of(null: NullPair) -> LookedAt:
    """What a ledger would have of these runs, but for the word and what it spent."""
    points = (*null.points, *null.other_points)
    ids = " ".join(sorted(point.id for point in points))
    return LookedAt(
        seeds=tuple(sorted(point.config.seed for point in null.points)),
        word="",
        alpha_spent=0.0,
        runs=hashlib.sha256(ids.encode()).hexdigest()[:16],
        question=null.protocol,
    )


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
