"""Which of the places along an order has the least error, and which others may have it too.

A place d is best where no other place has less error. It is shown not to be where some other has,
so that "d may be the best" is tested by the differences between d and each rival, the same that
other claims are made of: seeds paired or not, luck on the test images and all. Of d's p-values the
smallest counts, times the number of rivals (Bonferroni). A rival that is shown to be worse than d
cannot beat it and is not counted (two steps, as by Romano, Shaikh and Wolf 2014): with nine depths
of which three are any good, it is those three that are told apart.

The places that may be the best at a level are those with a p-value above it. The true best is
missed in at most that share of studies, whatever the curve: no shape is fitted. Where the first or
the last place is among them, the best may lie beyond what was tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vgglab.study.claims.pairing import Paired

SELECTION = 0.005
"""Chance of leaving out any rival of a place that is in truth no worse."""


@dataclass(frozen=True)
class Beaten:
    """That a place is not the best, shown by its strongest rival."""

    p_value: float
    """One-sided, that the strongest rival has less error."""
    rivals: int
    """Places that count as its rivals."""

    @property
    def corrected(self) -> float:
        """For the number of rivals."""
        return min(1.0, self.p_value * self.rivals)


NOT_SHOWN = Beaten(1.0, 1)


@dataclass(frozen=True)
class Best:
    """The best of some places along an order, as far as runs show it."""

    places: tuple[float, ...]
    """Ascending."""
    errors: tuple[float, ...]
    """Mean error at each, percent."""
    tests: tuple[Beaten, ...]
    """For each place, that it is not the best."""
    seeds: int
    """Fewest of any place."""

    @property
    def place(self) -> float:
        """With the least mean error."""
        return self.places[int(np.argmin(self.errors))]

    def may_be(self, level: float) -> tuple[float, ...]:
        """The places that are not shown, at a level, not to be the best; never none."""
        kept = [test.corrected > level for test in self.tests]
        return tuple(p for p, keep in zip(self.places, kept, strict=True) if keep)

    def ends(self, level: float) -> tuple[float, float]:
        """The first and the last place that may be the best."""
        kept = self.may_be(level)
        return kept[0], kept[-1]

    def text(self, level: float) -> str:
        """``13 to 16``, ``at or beyond 19``, ``at or below 11``, ``anywhere from 11 to 19``."""
        return range_text(self.ends(level), self.places)


def best_of(paired: Paired) -> Best | None:
    """The best of a comparison's sides, placed along its order; None where one has no error."""
    sides, paired = range(paired.sides), paired.condensed()
    # That the first of two has more error than the second.
    shown = np.ones((paired.sides, paired.sides))
    seeds = []
    for first in sides:
        for second in range(first + 1, paired.sides):
            difference = paired.difference(first, second)
            if difference is None:
                return None
            seeds.append(difference.seeds)
            worse, better = (first, second) if difference.mean > 0 else (second, first)
            p_value = difference.p_above(0) if worse == first else difference.p_below(0)
            shown[worse, better] = p_value
            if difference.is_known:
                shown[better, worse] = 1 - p_value
    tests = []
    for side in sides:
        others = [other for other in sides if other != side]
        is_worse = [shown[other, side] <= SELECTION / len(others) for other in others]
        tests.append(
            Beaten(
                min(float(shown[side, other]) for other in others), max(1, is_worse.count(False))
            )
        )
    order = sorted(sides, key=lambda side: paired.places[side])
    return Best(
        places=tuple(paired.places[side] for side in order),
        errors=tuple(float(paired.error(side) or 0.0) for side in order),
        tests=tuple(tests[side] for side in order),
        seeds=min(seeds),
    )


def range_text(ends: Sequence[float], places: Sequence[float]) -> str:
    """An interval of the best in words: an end that is the end of what was tried is open.

    Args:
        ends: first and last place that may be the best.
        places: that were tried, ascending.
    """
    (low, high), first, last = ends, places[0], places[-1]
    if (low, high) == (first, last):
        return f"anywhere from {first:g} to {last:g}, or beyond"
    if high == last:
        return f"at or beyond {low:g}"
    if low == first:
        return f"at or below {high:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
