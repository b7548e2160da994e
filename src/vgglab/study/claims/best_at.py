"""The kind of claim that says where along an order the error is least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vgglab.config.claims import BestPlace
from vgglab.config.names import named_once
from vgglab.study.claims.best import NOT_SHOWN, Beaten, Best, best_of
from vgglab.study.claims.evidence import (
    CLAIMED,
    NOTHING_TO_TEST,
    OTHER,
    Direction,
    Evidence,
    OneSided,
)
from vgglab.study.claims.pairing import Paired


class BestAt(Direction):
    """Of sides along an order, the least error is at a place, give or take the margin."""

    rule = (
        "Where the least error is follows from which places are shown not to have it, each against "
        'its rivals; the first and the last place tried stand for all beyond them. "The best is '
        'at" is supported where every place that may be the best is within the margin, '
        "contradicted where none is."
    )

    def __init__(self, best: BestPlace | None = None) -> None:
        self._best = best

    def aimed(self, best: BestPlace | None) -> Direction:
        return BestAt(best)

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return []

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        found = best_of(paired)
        return self.tested(found, margin) if found else NOTHING_TO_TEST

    def tested(self, found: Best, margin: float) -> Evidence:
        """Test the claim on what is known of the best; the margin is in units of the order."""
        within = [test for test, place in zip(found.tests, found.places, strict=True)
                  if self._has(place, margin)]  # fmt: skip
        against = [test for test, place in zip(found.tests, found.places, strict=True)
                   if not self._has(place, margin) or self._is_open(place, found)]  # fmt: skip
        return Evidence(
            None,
            (),
            supports=_none_is_best(against if within else [], CLAIMED),
            contradicts=_none_is_best(within, OTHER),
            best=found,
        )

    def effect_label(self, sides: Sequence[str]) -> str:
        return f"the best of {named_once(sides)}"

    def clause(self, sides: Sequence[str], margin: float) -> str:
        low, high = self._range(margin)
        if np.isinf(low):
            return f"the best is at or below {high:g}"
        if np.isinf(high):
            return f"the best is at or beyond {low:g}"
        return f"the best is {low:g} to {high:g}" if margin else f"the best is {low:g}"

    def bounds(self, margin: float) -> tuple[float, ...]:
        return ()

    def tails(self, level: float, evidence: Evidence | None = None) -> tuple[float, float]:
        # The set of places is that of the word which the runs rather speak for.
        against = evidence is not None and _corrected(evidence.contradicts) < _corrected(
            evidence.supports
        )
        share = OTHER if against else CLAIMED
        return level * share, 0.0  # one set of places, and no two ends of an interval

    def lacking(self, evidence: Evidence, margin: float) -> str:
        best = evidence.best
        if best is None:
            return ""
        within = [place for place in best.places if self._has(place, margin)]
        if not within:
            tried = ", ".join(f"{place:g}" for place in best.places)
            return f"none of the places tried ({tried}) is within what is claimed"
        ends = [place for place in within if self._is_open(place, best)]
        if not ends:
            return ""
        return (
            f"{ends[-1]:g} is an end of what was tried, and the best may lie beyond it: only "
            f"{'at_or_below' if ends[-1] == best.places[0] else 'at_or_beyond'} could be shown"
        )

    def _range(self, margin: float) -> tuple[float, float]:
        assert self._best is not None, "a claim of this direction has it, as its parser sees to"
        best = self._best
        if best.at is not None:
            return best.at - margin, best.at + margin
        if best.at_or_below is not None:
            return -np.inf, best.at_or_below + margin
        return (best.at_or_beyond or 0.0) - margin, np.inf

    def _has(self, place: float, margin: float) -> bool:
        low, high = self._range(margin)
        return bool(low <= place <= high)

    def _is_open(self, place: float, best: Best) -> bool:
        """Whether a place stands for all beyond it, of which not all is claimed."""
        low, high = self._range(0.0)
        return (place == best.places[0] and np.isfinite(low)) or (
            place == best.places[-1] and np.isfinite(high)
        )


def _corrected(test: OneSided) -> float:
    return test.factor * test.p_value


def _none_is_best(tests: Sequence[Beaten], share: float) -> OneSided:
    """That none of some places is the best: as well shown as of the one that is shown worst."""
    weakest = max(tests, key=lambda test: test.corrected, default=NOT_SHOWN)
    return OneSided(weakest.p_value, weakest.rivals / share)
