"""Error along an order of a study's arms: a curve through it, and where it is least, how sure.

The orders are weight layers, and every field with numbers that is all that tells three or more arms
apart: a width, a rate, a number of images. What is found here was not asked by a claim, so that no
correction covers it: it is to be looked at, and a claim of direction ``best_at`` is to be judged.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from vgglab.config import arm_fields
from vgglab.study.arms import Arm, arms
from vgglab.study.claims.best import Best, best_of
from vgglab.study.claims.comparisons import Comparison, claim_on_named
from vgglab.study.claims.curve import Curve, curve_of
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.pairing import pair
from vgglab.study.claims.sides import LAYERS, OF_DEPTH, Side
from vgglab.study.claims.tested import Point
from vgglab.study.summary import Summary, summarise
from vgglab.study.view import StudyView

LEAST_PLACES = 3
DIGITS = 6


class CurveRecord(TypedDict):
    """A parabola in the order's logarithm; errors are percentages."""

    places: list[float]
    errors: list[float]
    low: list[float]
    high: list[float]
    """Ends of the 95% interval of the curve, over seeds and test images."""
    lowest: float
    ends: list[float]
    """First and last place where the curve may be lowest, at 95%; at an end of the order, open."""


class FitRecord(TypedDict):
    """Error along one order in ``claims.json``, by itself at 95%: no claim, and not corrected."""

    factor: str
    """``weight layers``, or the name of a config field."""
    arms: list[dict[str, str]]
    """Ascending along the order."""
    protocol: str
    places: list[float]
    errors: list[float]
    """Means of the runs that trained, percent."""
    untrained: int
    """Runs that did not train: what is said is of the others."""
    best: float
    """The place with the least mean error."""
    may_be: list[float]
    """Places that are not shown not to have the least error."""
    text: str
    p_values: list[float]
    """Of each place, that it does not have the least error, corrected for its rivals."""
    curve: CurveRecord | None
    """None with three places, and where an error is shown to lie off a parabola."""


@dataclass(frozen=True)
class Fit:
    """Error along one order."""

    factor: str
    arms: tuple[Arm, ...]
    """Ascending along the order."""
    protocol: str
    untrained: int
    best: Best
    curve: Curve | None


def on_line(arm: Arm) -> bool:
    """Whether a net is of the family that depth alone tells apart: C's extra layers are 1x1, A-LRN
    has LRN, so they stand beside it."""
    return not arm.differs


def fits(view: StudyView) -> list[Fit]:
    """Every order that a study's arms make, under each of its protocols, with two seeds or more."""
    points: dict[Arm, dict[int, Point]] = defaultdict(dict)
    arm_of = arms(view)
    for point in view.points:
        points[arm_of[point.id]][point.config.seed] = point
    summaries = [summary for summary in summarise(view) if summary.trained > 1]
    found = []
    for protocol in dict.fromkeys(summary.protocol for summary in summaries):
        under = [summary for summary in summaries if summary.protocol == protocol]
        for factor, places in _orders(view, under, points):
            found += [fit] if (fit := _fit(view, factor, places, points, protocol)) else []
    return found


def _orders(
    view: StudyView, summaries: Sequence[Summary], points: Mapping[Arm, Mapping[int, Point]]
) -> Iterator[tuple[str, dict[Arm, float]]]:
    """Factor, and the place of each arm along it, ascending."""
    line = {s.arm: float(s.weight_layers) for s in summaries if s.weight_layers and on_line(s.arm)}
    fields = {s.arm: arm_fields(next(iter(points[s.arm].values())).config) for s in summaries}
    tuned = frozenset(view.tuning.fields if view.tuning else ())
    yield from _groups(LAYERS, line, fields, tuned | OF_DEPTH)
    for name in sorted({name for values in fields.values() for name in values} - tuned - OF_DEPTH):
        values = {arm: of_arm.get(name) for arm, of_arm in fields.items()}
        numbers = {
            arm: float(value)
            for arm, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        if len(set(numbers.values())) >= LEAST_PLACES:
            yield from _groups(name, numbers, fields, tuned | {name})


def _groups(
    factor: str,
    place_of: Mapping[Arm, float],
    fields: Mapping[Arm, Mapping[str, Any]],
    free: frozenset[str],
) -> Iterator[tuple[str, dict[Arm, float]]]:
    """Arms that are equal in all but the free fields, where they stand at three places or more."""
    groups: dict[Hashable, dict[Arm, float]] = defaultdict(dict)
    for arm, place in sorted(place_of.items(), key=lambda item: item[1]):
        key = tuple(
            (name, repr(value))
            for name, value in sorted(fields[arm].items())
            if name not in free and not name.startswith("protocol.")
        )
        groups[key][arm] = place
    for group in groups.values():
        if len(group) == len(set(group.values())) >= LEAST_PLACES:
            yield factor, group


def _fit(
    view: StudyView,
    factor: str,
    places: Mapping[Arm, float],
    points: Mapping[Arm, Mapping[int, Point]],
    protocol: str,
) -> Fit | None:
    sides = tuple(Side({}, protocol, (points[arm],)) for arm in places)
    # The order is found, not claimed: its values need be none that a claim may name.
    claim = claim_on_named("falls", len(sides), 0.0, "")
    paired = pair(Comparison("fit", claim, {}, ({},), sides), view.reader)
    paired = dataclasses.replace(paired, places=tuple(places.values())).condensed()
    best = best_of(paired)
    if best is None or best.seeds < 2:
        return None
    untrained = sum(paired.runs(side)[0] for side in range(paired.sides))
    return Fit(factor, tuple(places), protocol, untrained, best, curve_of(paired))


def fits_record(view: StudyView) -> list[FitRecord]:
    """The same as plain records, for ``claims.json``."""
    return [_record(fit) for fit in fits(view)]


def _record(fit: Fit) -> FitRecord:
    best = fit.best
    return {
        "factor": fit.factor,
        "arms": [
            {"model": arm.model, "norm": arm.norm, "init": arm.init, "variant": arm.variant}
            for arm in fit.arms
        ],
        "protocol": fit.protocol,
        "places": list(best.places),
        "errors": _rounded(best.errors),
        "untrained": fit.untrained,
        "best": best.place,
        "may_be": list(best.may_be(ALPHA)),
        "text": best.text(ALPHA),
        "p_values": _rounded([test.corrected for test in best.tests]),
        "curve": _curve(fit.curve) if fit.curve else None,
    }


def _curve(curve: Curve) -> CurveRecord:
    return {
        "places": _rounded(curve.places),
        "errors": _rounded(curve.errors),
        "low": _rounded(curve.low),
        "high": _rounded(curve.high),
        "lowest": round(curve.lowest, DIGITS),
        "ends": _rounded(curve.ends),
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, DIGITS) + 0.0 for value in values]
