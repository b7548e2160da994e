"""From paired errors to a word: supported, contradicted or inconclusive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from vgglab.runs import State
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.inference import CONFIDENCE, holm
from vgglab.study.claims.mistakes import Images
from vgglab.study.claims.pairing import Paired, error_of, pair
from vgglab.study.claims.power import MOST_SEEDS, POWER, seeds_needed
from vgglab.study.claims.questions import NotAsked, Question, Side, put, state_of
from vgglab.study.view import StudyView

ALPHA = 1 - CONFIDENCE
"""Chance of any false verdict among all claims of a study."""


class Verdict(StrEnum):
    """What the runs say of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class SideResult:
    """One side of a comparison and what became of its runs."""

    fields: Mapping[str, Any]
    protocol: str
    error: float | None
    """Mean of the runs that trained, percent."""
    asked: int
    trained: int
    states: Mapping[str, int]


@dataclass(frozen=True)
class Tests:
    """p-values, two-sided, of one question; 1 where nothing can be tested."""

    effect: Measured | None
    """Difference (or, along an order, the fitted change from first to last), percentage points."""
    parts: tuple[Measured, ...]
    """Every difference that the claim is made of: first less each other, or each step."""
    supports: float
    contradicts: float
    clearance: float
    """Points between the effect and the nearest bound that it would have to clear."""


@dataclass(frozen=True)
class Answer:
    """What a study says to one question."""

    question: Question
    sides: tuple[SideResult, ...]
    paired: Paired
    tests: Tests
    among_trained: Measured | None
    """The effect among the seeds in which every net learned; None where that is all of them."""
    p_value: float
    p_holm: float
    verdict: Verdict
    reason: str
    seeds_to_settle: int | None


def answer(view: StudyView) -> tuple[list[Answer], list[NotAsked]]:
    """Every claim's verdict; Holm's correction is over all questions of the study."""
    questions, not_asked = put(view)
    images = Images()
    drafts = [_test(question, images) for question in questions]
    adjusted = holm(np.array([draft.p_value for draft in drafts]))
    return [
        _judge(draft, float(p), len(drafts)) for draft, p in zip(drafts, adjusted, strict=True)
    ], not_asked


def _test(question: Question, images: Images) -> Answer:
    paired = pair(question, images)
    tests = run_tests(question, paired)
    among = None if all(paired.trained) else run_tests(question, paired, trained_only=True).effect
    # Runs that are still to come might change the answer, and looking early would be looking twice.
    p = 1.0
    if not paired.waiting:
        shown = tests.contradicts <= ALPHA
        p = tests.contradicts if shown else min(tests.supports, tests.contradicts, 1.0)
    return Answer(
        question=question,
        sides=tuple(_side_result(side, question) for side in question.sides),
        paired=paired,
        tests=tests,
        among_trained=among,
        p_value=p,
        p_holm=p,
        verdict=Verdict.INCONCLUSIVE,
        reason="",
        seeds_to_settle=None,
    )


def _side_result(side: Side, question: Question) -> SideResult:
    points = [point for net in side.nets for point in net.values()]
    errors = [e for p in points if (e := error_of(p, side, question.claim.metric)) is not None]
    return SideResult(
        fields=side.fields,
        protocol=side.protocol,
        error=float(np.mean(errors)) if errors else None,
        asked=len(points),
        trained=len(errors),
        states=dict(sorted(Counter(str(state_of(point)) for point in points).items())),
    )


def run_tests(question: Question, paired: Paired, *, trained_only: bool = False) -> Tests:
    """The tests that a question's direction asks for."""
    sides, margin = len(question.sides), question.claim.margin
    if question.claim.direction == "falls":
        return _falls(paired, sides, margin, trained_only)
    parts = [_difference(paired, 0, k, sides, trained_only) for k in range(1, sides)]
    found = tuple(part for part in parts if part is not None)
    if not found:
        return Tests(None, (), 1.0, 1.0, 0.0)
    if question.claim.direction == "equal":
        tests = equal_tests(found[0], margin)
        if not trained_only and not all(paired.trained):
            # Two nets that guess are equal, which says nothing about nets that learned.
            learned = run_tests(question, paired, trained_only=True)
            tests = replace(tests, supports=max(tests.supports, learned.supports))
        return tests
    return lower_tests(found, margin)


def lower_tests(parts: Sequence[Measured], margin: float) -> Tests:
    """First side lower than every other: each difference must be shown (intersection-union)."""
    weakest = max(parts, key=lambda part: part.p_below(-margin))
    return Tests(
        weakest,
        tuple(parts),
        supports=2 * weakest.p_below(-margin),
        contradicts=min(1.0, 2 * len(parts) * min(part.p_above(-margin) for part in parts)),
        clearance=abs(weakest.mean + margin),
    )


def equal_tests(part: Measured, margin: float) -> Tests:
    """Two one-sided tests: the difference is shown to be above -margin and below +margin."""
    return Tests(
        part,
        (part,),
        supports=2 * max(part.p_below(margin), part.p_above(-margin)),
        contradicts=2 * min(part.p_above(margin), part.p_below(-margin)),
        clearance=abs(margin - abs(part.mean)),
    )


def trend_weights(sides: int) -> tuple[float, ...]:
    """Linear contrast: the change from first to last of a line fitted through the sides."""
    scores = np.arange(sides) - (sides - 1) / 2
    return tuple(float(w) for w in scores / (scores**2).sum() * (sides - 1))


def _falls(paired: Paired, sides: int, margin: float, trained_only: bool) -> Tests:
    """A falling line is shown, and no step is shown to rise by more than the margin."""
    trend = paired.contrast(trend_weights(sides), trained_only=trained_only)
    if trend is None:
        return Tests(None, (), 1.0, 1.0, 0.0)
    steps = [_difference(paired, k + 1, k, sides, trained_only) for k in range(sides - 1)]
    return trend_tests(trend, [step for step in steps if step is not None], margin)


def trend_tests(trend: Measured, steps: Sequence[Measured], margin: float) -> Tests:
    """Of a trend and its steps; what contradicts is any of them, corrected for their number."""
    against = [trend.p_above(0), *(step.p_above(margin) for step in steps)]
    return Tests(
        trend,
        tuple(steps),
        supports=2 * trend.p_below(0),
        contradicts=min(1.0, 2 * len(against) * min(against)),
        clearance=abs(trend.mean),
    )


def _difference(
    paired: Paired, first: int, second: int, sides: int, trained_only: bool
) -> Measured | None:
    weights = [0.0] * sides
    weights[first], weights[second] = 1.0, -1.0
    return paired.contrast(weights, trained_only=trained_only)


def _judge(draft: Answer, p_holm: float, family: int) -> Answer:
    verdict, reason, needed = _verdict(draft, p_holm, family)
    return replace(draft, p_holm=p_holm, verdict=verdict, reason=reason, seeds_to_settle=needed)


def _verdict(draft: Answer, p_holm: float, family: int) -> tuple[Verdict, str, int | None]:
    if cannot_tell := _cannot_tell(draft):
        return Verdict.INCONCLUSIVE, cannot_tell, None
    if p_holm <= ALPHA:
        against = draft.tests.contradicts <= ALPHA
        return Verdict.CONTRADICTED if against else Verdict.SUPPORTED, _shown(draft), None
    return Verdict.INCONCLUSIVE, *_what_would_settle(draft, family)


def _cannot_tell(draft: Answer) -> str:
    """Why nothing can be tested, if so."""
    paired = draft.paired
    if paired.waiting:
        lacking = sum(_lacks(point) for point in draft.question.points)
        return f"{lacking} of its runs have no outcome yet"
    if not paired.seeds:
        return "no seed has an outcome on every side"
    if len(paired.seeds) == 1:
        return "one seed: no noise is known, whatever the difference"
    return "" if any(side.trained for side in draft.sides) else "no net trained"


def _lacks(point: Any) -> bool:
    return state_of(point) not in (State.FINISHED, State.DIVERGED, State.UNTRAINABLE)


def _shown(draft: Answer) -> str:
    """What the verdict rests on, in a few words."""
    bound = f"{draft.question.claim.margin:g} points"
    effect = draft.tests.effect
    assert effect is not None
    supported = draft.tests.contradicts > ALPHA
    if draft.question.claim.direction == "equal":
        return f"the difference is shown to be {'below' if supported else 'above'} {bound}"
    if draft.question.claim.direction == "falls" and not supported and effect.mean < 0:
        return f"the line falls, but a step is shown to rise by more than {bound}"
    return ""


def _what_would_settle(draft: Answer, family: int) -> tuple[str, int | None]:
    """Why nothing is shown, and the seeds that would show what is now estimated."""
    effect = draft.tests.effect
    if effect is None or effect.noise is None:
        return "nothing to test", None
    alone = f"shown alone (p = {draft.p_value:.2g}), but not among {family} claims; "
    start = alone if draft.p_value <= ALPHA else ""
    needed = seeds_needed(effect.noise, draft.tests.clearance, alpha=ALPHA / family)
    if needed is None:
        if effect.noise.image_se and draft.tests.clearance > 0:
            return f"{start}too few test images: {MOST_SEEDS} seeds would not settle it", None
        return f"{start}{MOST_SEEDS} seeds would not settle it", None
    needed = max(needed, effect.seeds + 1)
    return (
        f"{start}{needed} seeds would settle it with a chance of {POWER:.0%}, "
        "were the effect as large as it now looks",
        needed,
    )
