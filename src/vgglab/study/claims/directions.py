"""The kinds of claims: how a claim of each direction is tested, and how its effect is named.

A further direction is one class here, and one row in ``config/claims.py`` for what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import scipy

from vgglab.study.claims.best_at import BestAt
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.evidence import (
    CLAIMED,
    NOTHING_TO_TEST,
    OTHER,
    Direction,
    Evidence,
    Limit,
    OneSided,
    difference_label,
)
from vgglab.study.claims.pairing import Paired


def _by_more_than(margin: float) -> str:
    return f" by more than {margin:.3g} points" if margin else ""


class Lower(Direction):
    """The first side's error is lower than each other side's, by more than the margin."""

    rule = '"Lower" is supported where the error is shown to be lower, by more than the margin.'

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(0, other) for other in range(1, sides)]

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        parts = self._parts(paired)
        return lower_tests(parts, margin) if parts else NOTHING_TO_TEST

    def effect_label(self, sides: Sequence[str]) -> str:
        first, *others = sides
        return difference_label(first, others[0] if len(others) == 1 else "nearest other")

    def clause(self, sides: Sequence[str], margin: float) -> str:
        lowest = "lower" if len(sides) == 2 else "lowest"
        return f"{sides[0]} has the {lowest} error{_by_more_than(margin)}"

    def ends(self, sides: Sequence[str]) -> tuple[str, str]:
        first, *others = sides
        return first, others[0] if len(others) == 1 else "the nearest other"

    def bounds(self, margin: float) -> tuple[float, ...]:
        return (-margin,)

    def limits(self, places: Sequence[float], margin: float) -> tuple[Limit, ...]:
        others = len(places) - 1
        return (Limit(-margin, distance=0.0, share=1.0),) * others if others > 1 else ()


def lower_tests(parts: Sequence[Measured], margin: float) -> Evidence:
    """First side lower than every other: each difference must be shown (intersection-union)."""
    weakest = max(parts, key=lambda part: part.p_below(-margin))
    return Evidence(
        weakest,
        tuple(parts),
        supports=OneSided(weakest.p_below(-margin), 1 / CLAIMED),
        contradicts=OneSided(min(part.p_above(-margin) for part in parts), len(parts) / OTHER),
    )


class OfTwo(Direction):
    """A claim on the difference of two sides."""

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(0, 1)]

    def effect_label(self, sides: Sequence[str]) -> str:
        return difference_label(sides[0], sides[1])

    def ends(self, sides: Sequence[str]) -> tuple[str, str]:
        return sides[0], sides[1]


class NoBetter(OfTwo):
    """The first side's error is not lower than the second's by more than the margin."""

    rule = (
        '"Does not improve" is supported where a gain above the margin is ruled out: it says '
        "nothing of whether the error rises."
    )

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        parts = self._parts(paired)
        return no_better_tests(parts[0], margin) if parts else NOTHING_TO_TEST

    def clause(self, sides: Sequence[str], margin: float) -> str:
        return f"{sides[0]} does not improve on {sides[1]}{_by_more_than(margin)}"

    def bounds(self, margin: float) -> tuple[float, ...]:
        return (-margin,)

    def tails(self, level: float, evidence: Evidence | None = None) -> tuple[float, float]:
        below, above = super().tails(level, evidence)
        return above, below


def no_better_tests(part: Measured, margin: float) -> Evidence:
    """The difference is shown to be above -margin: non-inferiority seen from the other side."""
    return Evidence(
        part,
        (part,),
        supports=OneSided(part.p_above(-margin), 1 / CLAIMED),
        contradicts=OneSided(part.p_below(-margin), 1 / OTHER),
    )


class Equal(OfTwo):
    """Two sides differ by less than the margin."""

    rule = (
        '"Do not differ" is supported where the difference is shown to lie within the margin on '
        "both sides: two one-sided tests; a difference that merely is not shown is inconclusive."
    )
    margin_is_band = True

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        parts = self._parts(paired)
        return equal_tests(parts[0], margin) if parts else NOTHING_TO_TEST

    def clause(self, sides: Sequence[str], margin: float) -> str:
        return f"{sides[0]} and {sides[1]} differ by less than {margin:.3g} points"

    def bounds(self, margin: float) -> tuple[float, ...]:
        return -margin, margin

    def tails(self, level: float, evidence: Evidence | None = None) -> tuple[float, float]:
        # The larger of the two p-values is above one half where the effect is outside of the band.
        is_outside = evidence is not None and evidence.supports.p_value > 0.5
        tail = level / 2 if is_outside else level
        return tail, tail

    def basis(self, evidence: Evidence, margin: float, *, against: bool) -> str:
        side = "above" if against else "below"
        return f"the difference is shown to be {side} {margin:.3g} points"


def equal_tests(part: Measured, margin: float) -> Evidence:
    """The difference is shown to be above -margin and below +margin.

    Two one-sided tests at the full level each, TOST (Schuirmann 1987). The words exclude each other
    and so do the truths that make them false, so that neither takes from the other's 5%.
    """
    return Evidence(
        part,
        (part,),
        supports=OneSided(max(part.p_below(margin), part.p_above(-margin))),
        contradicts=OneSided(min(part.p_above(margin), part.p_below(-margin)), 2),
    )


class Falls(Direction):
    """The error falls along the sides: a line does, and no step rises by more than the margin."""

    rule = (
        "An order is supported where the change along a line fitted through the nets, placed by "
        "their weight layers, is shown to fall, and each step is shown to rise by no more than the "
        "margin; contradicted where the line is shown to rise, or a step to rise by more."
    )
    reference = 0

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(later, later - 1) for later in range(1, sides)]

    def contrasts(self, places: Sequence[float]) -> list[tuple[float, ...]]:
        return [trend_weights(places)]

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        trend = paired.contrast(trend_weights(paired.places))
        parts = self._parts(paired)
        return trend_tests(trend, parts, margin) if trend and parts else NOTHING_TO_TEST

    def effect_label(self, sides: Sequence[str]) -> str:
        return f"{sides[0]} to {sides[-1]}, fitted"

    def clause(self, sides: Sequence[str], margin: float) -> str:
        return f"the error falls from {sides[0]} to {sides[-1]}"

    def ends(self, sides: Sequence[str]) -> tuple[str, str]:
        return f"along a fitted line {sides[-1]}", sides[0]

    def bounds(self, margin: float) -> tuple[float, ...]:
        return (0.0,)

    def limits(self, places: Sequence[float], margin: float) -> tuple[Limit, ...]:
        """Of the line, and of each step, which is taken to have its share of the line's fall."""
        whole = places[-1] - places[0]
        steps = [(later - before) / whole for before, later in pairwise(places)]
        return Limit(0.0, 0.0, 1.0), *(Limit(margin, margin, share) for share in steps)

    def limited(self, evidence: Evidence) -> tuple[Measured, ...]:
        return (evidence.effect, *evidence.parts) if evidence.effect else ()

    def basis(self, evidence: Evidence, margin: float, *, against: bool) -> str:
        if not against or evidence.effect is None or evidence.effect.mean >= 0:
            return ""
        return f"the line falls, but a step is shown to rise by more than {margin:.3g} points"

    def lacking(self, evidence: Evidence, margin: float) -> str:
        if evidence.effect is None or evidence.effect.p_below(0) >= evidence.supports.p_value:
            return ""
        return f"a step is not shown to rise by less than {margin:.3g} points"


def trend_weights(places: Sequence[float]) -> tuple[float, ...]:
    """Linear contrast: the change from first to last of a line fitted through so placed sides."""
    at = np.asarray(places, dtype=np.float64)
    centred = at - at.mean()
    return tuple(float(w) for w in centred / (centred**2).sum() * (at[-1] - at[0]))


def trend_tests(trend: Measured, steps: Sequence[Measured], margin: float) -> Evidence:
    """A falling line is shown, and of each step that it rises by at most the margin.

    Intersection-union: the claim is as well shown as the part of it that is shown worst.

    Args:
        trend: change along the fitted line, percentage points.
        steps: later side less the one before it, percentage points.
        margin: rise of a step that contradicts nothing, percentage points.

    Returns:
        The test against the claim is the strongest of the trend's and the steps', corrected for
        their number (Bonferroni).
    """
    against = [trend.p_above(0), *(step.p_above(margin) for step in steps)]
    return Evidence(
        trend,
        tuple(steps),
        supports=OneSided(
            max(trend.p_below(0), *(step.p_below(margin) for step in steps)), 1 / CLAIMED
        ),
        contradicts=OneSided(min(against), len(against) / OTHER),
    )


class Trains(Direction):
    """More of the first side's runs train than of each other side's."""

    rule = (
        '"Trains more often" compares the shares of runs that trained (Fisher\'s exact test), '
        "whatever their errors."
    )
    counts_runs = True

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(0, other) for other in range(1, sides)]

    def contrasts(self, places: Sequence[float]) -> list[tuple[float, ...]]:
        return []

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        counts = [paired.runs(side) for side in range(paired.sides)]
        if not all(runs for _, runs in counts):
            return NOTHING_TO_TEST
        tests = [fisher(counts[0], counts[other]) for other in range(1, paired.sides)]
        return Evidence(
            None,
            (),
            supports=OneSided(max(fewer for fewer, _ in tests), 1 / CLAIMED),
            contradicts=OneSided(min(more for _, more in tests), len(tests) / OTHER),
        )

    def effect_label(self, sides: Sequence[str]) -> str:
        first, *others = sides
        return f"runs that trained, {first} against {' and '.join(others)}"

    def clause(self, sides: Sequence[str], margin: float) -> str:
        return f"more runs train with {sides[0]}"

    def bounds(self, margin: float) -> tuple[float, ...]:
        return ()


def fisher(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """One-sided p-values for "the first fails less often" and "more often" (Fisher's exact test).

    Args:
        first: runs that failed, of how many.
        second: the same of the other side.
    """
    (failed, runs), (others_failed, other_runs) = first, second
    table = np.array([[failed, runs - failed], [others_failed, other_runs - others_failed]])
    less, more = (
        float(scipy.stats.fisher_exact(table, alternative=side).pvalue)
        for side in ("less", "greater")
    )
    return less, more


DIRECTIONS: dict[str, Direction] = {
    "lower": Lower(),
    "no_better": NoBetter(),
    "equal": Equal(),
    "falls": Falls(),
    "trains": Trains(),
    "best_at": BestAt(),
}
"""By the name in ``config/claims.py``."""
