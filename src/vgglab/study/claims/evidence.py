"""What every kind of claim has: its tests, what they rest on, and how it is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vgglab.config.claims import BestPlace
from vgglab.study.claims.best import Best
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.pairing import Paired

CLAIMED, OTHER = 0.8, 0.2
"""Of a claim's 5%, what its own side may spend, and what the other side may.

At a true difference that lies exactly on the bound both words are false, so that the two share 5%.
``benchmarks/calibration.py`` has what other divisions settle."""


@dataclass(frozen=True)
class OneSided:
    """A one-sided test: its p-value at this look, and what it is multiplied by."""

    p_value: float
    factor: float = 1.0
    """One over the share of alpha that the test may spend, times the differences looked at."""


NO_TEST = OneSided(1.0)


@dataclass(frozen=True)
class Limit:
    """What one difference of a claim of several has to be shown to lie below."""

    value: float
    """Percentage points."""
    distance: float
    """From the difference to it, percentage points, when the claim's effect is at its bound."""
    share: float
    """Points that the difference falls by for each point of the claim's effect beyond its bound."""


@dataclass(frozen=True)
class Evidence:
    """The effect of one comparison, and the tests for and against the claim."""

    effect: Measured | None
    """Difference (or, along an order, the fitted change from first to last), percentage points."""
    parts: tuple[Measured, ...]
    """Every difference that the claim is made of: first less each other, or each step."""
    supports: OneSided
    contradicts: OneSided
    best: Best | None = None
    """Of a claim on where the least error is: what is shown of that, in place of an effect."""

    @property
    def seeds(self) -> int | None:
        """Fewest of any part; None where there are no errors to compare."""
        found = [each.seeds for each in (self.best, self.effect, *self.parts) if each]
        return min(found, default=None)

    def interval_of(self, below: float, above: float) -> tuple[float, float] | None:
        """The effect's interval with these chances to miss on each side; of the best, its places.

        None where there is no effect, or one seed.
        """
        if self.best:
            return self.best.ends(below + above) if self.best.seeds > 1 else None
        return self.effect.interval_of(below, above) if self.effect else None


NOTHING_TO_TEST = Evidence(None, (), NO_TEST, NO_TEST)


class Direction(ABC):
    """One kind of claim: its differences, its tests, its words."""

    rule: str
    """When such a claim is supported, in a sentence of the report."""
    margin_is_band: bool = False
    """Whether the margin lies on both sides of zero: the claim is that there is no difference."""
    reference: int = -1
    """The side whose error a relative margin is a share of."""
    counts_runs: bool = False
    """Whether it is about the runs that trained, and not about their errors."""

    def aimed(self, best: BestPlace | None) -> Direction:
        """The same direction for a claim that says where the least error is."""
        return self

    @abstractmethod
    def pairs(self, sides: int) -> list[tuple[int, int]]:
        """The differences between its sides that a claim is made of: first side less second."""

    def contrasts(self, places: Sequence[float]) -> list[tuple[float, ...]]:
        """Weights of the sides' errors in each difference that the claim's effect may be.

        Args:
            places: where the sides stand along an order.
        """
        weights = np.eye(len(places))
        pairs = self.pairs(len(places))
        return [tuple(map(float, weights[first] - weights[second])) for first, second in pairs]

    @abstractmethod
    def evidence(self, paired: Paired, margin: float) -> Evidence:
        """Test the claim on errors; the margin is in percentage points."""

    @abstractmethod
    def effect_label(self, sides: Sequence[str]) -> str:
        """The name of the effect, from short names of the sides."""

    @abstractmethod
    def clause(self, sides: Sequence[str], margin: float) -> str:
        """The claim as a clause that can follow "that", from short names of the sides."""

    def ends(self, sides: Sequence[str]) -> tuple[str, str] | None:
        """The two whose error the effect compares, first less second; None where it is another."""
        return None

    @abstractmethod
    def bounds(self, margin: float) -> tuple[float, ...]:
        """The values that the effect's interval has to clear, percentage points."""

    def limits(self, places: Sequence[float], margin: float) -> tuple[Limit, ...]:
        """Of a claim that takes several tests, each of which has to show its difference: their
        limits; nothing where the claim is on its effect alone.

        Args:
            places: where the sides stand along an order.
            margin: percentage points.
        """
        return ()

    def limited(self, evidence: Evidence) -> tuple[Measured, ...]:
        """What those limits are of, in the same order; nothing where there is nothing to test.
        Asked where there are limits alone."""
        return evidence.parts

    def tails(self, level: float, evidence: Evidence | None = None) -> tuple[float, float]:
        """Chances below and above of the interval that decides at a claim's level: a bound is left
        out where the tests show it.

        Args:
            level: of the claim.
            evidence: what is tested; None: nothing yet, and one difference.
        """
        if evidence is None:
            return level * OTHER, level * CLAIMED
        return level / evidence.contradicts.factor, level / evidence.supports.factor

    def basis(self, evidence: Evidence, margin: float, *, against: bool) -> str:
        """The reason for a word in a few words; empty where the effect alone says it.

        Args:
            evidence: the tests.
            margin: percentage points.
            against: whether the word is that the claim is contradicted.
        """
        return ""

    def lacking(self, evidence: Evidence, margin: float) -> str:
        """Why nothing is shown, where the effect alone does not say it."""
        return ""

    def _parts(self, paired: Paired) -> tuple[Measured, ...]:
        found = [paired.difference(first, second) for first, second in self.pairs(paired.sides)]
        return tuple(part for part in found if part) if all(found) else ()


def difference_label(first: str, second: str) -> str:
    """``A-LRN - A``, with a real minus sign."""
    return f"{first} \N{MINUS SIGN} {second}"
