"""The kinds of claims: how a claim of each direction is tested, and how its effect is named.

A further direction is one class here, and one row in ``config/claims.py`` for what it needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.pairing import Paired


@dataclass(frozen=True)
class Evidence:
    """The effect of one comparison and its two-sided p-values; 1 where nothing can be tested."""

    effect: Measured | None
    """Difference (or, along an order, the fitted change from first to last), percentage points."""
    parts: tuple[Measured, ...]
    """Every difference that the claim is made of: first less each other, or each step."""
    supports: float
    contradicts: float
    clearance: float
    """Points between the effect and the nearest bound that it would have to clear."""

    @property
    def is_against(self) -> bool:
        """Whether the runs, taken alone, show that the claim is false."""
        return self.contradicts <= ALPHA


NOTHING_TO_TEST = Evidence(None, (), 1.0, 1.0, 0.0)


class Direction(ABC):
    """One kind of claim: its differences, its tests, its words."""

    rule: str
    """When such a claim is supported, in a sentence of the report."""
    margin_is_band: bool = False
    """Whether the margin lies on both sides of zero: the claim is that there is no difference."""

    @abstractmethod
    def pairs(self, sides: int) -> list[tuple[int, int]]:
        """The differences between its sides that a claim is made of: first side less second."""

    @abstractmethod
    def evidence(self, paired: Paired, margin: float) -> Evidence:
        """Test the claim on paired errors; the margin is in percentage points."""

    @abstractmethod
    def effect_label(self, sides: Sequence[str]) -> str:
        """The name of the effect, from short names of the sides."""

    def basis(self, evidence: Evidence, margin: float) -> str:
        """The reason for a verdict in a few words; empty where the effect alone says it."""
        return ""

    def target(self, evidence: Evidence, margin: float) -> tuple[float, str] | None:
        """The difference that a study has to show, percentage points, and where it comes from.

        None where the runs that there are do not tell.
        """
        if evidence.effect is None or evidence.effect.noise is None:
            return None
        return evidence.clearance, "seen so far"

    def _parts(self, paired: Paired) -> tuple[Measured, ...]:
        found = (paired.difference(first, second) for first, second in self.pairs(paired.sides))
        return tuple(part for part in found if part is not None)


def difference_label(first: str, second: str) -> str:
    """``A-LRN - A``, with a real minus sign."""
    return f"{first} \N{MINUS SIGN} {second}"


class Lower(Direction):
    """The first side's error is lower than each other side's, by more than the margin."""

    rule = '"Lower" is supported where the interval lies wholly below zero (or the margin).'

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(0, other) for other in range(1, sides)]

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        parts = self._parts(paired)
        return lower_tests(parts, margin) if parts else NOTHING_TO_TEST

    def effect_label(self, sides: Sequence[str]) -> str:
        first, *others = sides
        return difference_label(first, others[0] if len(others) == 1 else "nearest other")


def lower_tests(parts: Sequence[Measured], margin: float) -> Evidence:
    """First side lower than every other: each difference must be shown (intersection-union)."""
    weakest = max(parts, key=lambda part: part.p_below(-margin))
    return Evidence(
        weakest,
        tuple(parts),
        supports=2 * weakest.p_below(-margin),
        contradicts=min(1.0, 2 * len(parts) * min(part.p_above(-margin) for part in parts)),
        clearance=abs(weakest.mean + margin),
    )


class Equal(Direction):
    """Two sides differ by less than the margin."""

    rule = (
        '"Do not differ" is supported where it lies wholly within the margin: two one-sided tests; '
        "a difference that merely is not shown is inconclusive."
    )
    margin_is_band = True

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(0, 1)]

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        parts = self._parts(paired)
        if not parts:
            return NOTHING_TO_TEST
        evidence = equal_tests(parts[0], margin)
        if not all(paired.trained):
            # Two nets that guess are equal, which says nothing about nets that learned.
            learned = self.evidence(paired.among_trained(), margin)
            evidence = replace(evidence, supports=max(evidence.supports, learned.supports))
        return evidence

    def effect_label(self, sides: Sequence[str]) -> str:
        return difference_label(sides[0], sides[1])

    def basis(self, evidence: Evidence, margin: float) -> str:
        side = "above" if evidence.is_against else "below"
        return f"the difference is shown to be {side} {margin:g} points"

    def target(self, evidence: Evidence, margin: float) -> tuple[float, str] | None:
        return margin, "margin"


def equal_tests(part: Measured, margin: float) -> Evidence:
    """The difference is shown to be above -margin and below +margin.

    Two one-sided tests, TOST (Schuirmann 1987).
    """
    return Evidence(
        part,
        (part,),
        supports=2 * max(part.p_below(margin), part.p_above(-margin)),
        contradicts=2 * min(part.p_above(margin), part.p_below(-margin)),
        clearance=abs(margin - abs(part.mean)),
    )


class Falls(Direction):
    """The error falls along the sides: a line does, and no step rises by more than the margin."""

    rule = (
        "An order is supported where the change along a line fitted through the nets is shown to "
        "fall, and contradicted where it is shown to rise, or a single step is shown to rise by "
        "more than the margin."
    )

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(later, later - 1) for later in range(1, sides)]

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        trend = paired.contrast(trend_weights(paired.sides))
        if trend is None:
            return NOTHING_TO_TEST
        return trend_tests(trend, self._parts(paired), margin)

    def effect_label(self, sides: Sequence[str]) -> str:
        return f"{sides[0]} to {sides[-1]}, fitted"

    def basis(self, evidence: Evidence, margin: float) -> str:
        if not evidence.is_against or evidence.effect is None or evidence.effect.mean >= 0:
            return ""
        return f"the line falls, but a step is shown to rise by more than {margin:g} points"


def trend_weights(sides: int) -> tuple[float, ...]:
    """Linear contrast: the change from first to last of a line fitted through the sides."""
    scores = np.arange(sides) - (sides - 1) / 2
    return tuple(float(w) for w in scores / (scores**2).sum() * (sides - 1))


def trend_tests(trend: Measured, steps: Sequence[Measured], margin: float) -> Evidence:
    """A falling line is shown, and no step is shown to rise by more than the margin.

    Args:
        trend: change along the fitted line, percentage points.
        steps: later side less the one before it, percentage points.
        margin: rise of a step that contradicts nothing, percentage points.

    Returns:
        The p-value against the claim is the smallest of the trend's and the steps', corrected for
        their number (Bonferroni).
    """
    against = [trend.p_above(0), *(step.p_above(margin) for step in steps)]
    return Evidence(
        trend,
        tuple(steps),
        supports=2 * trend.p_below(0),
        contradicts=min(1.0, 2 * len(against) * min(against)),
        clearance=abs(trend.mean),
    )


DIRECTIONS: dict[str, Direction] = {"lower": Lower(), "equal": Equal(), "falls": Falls()}
"""By the name in ``config/claims.py``."""
