"""From paired errors to a word: supported, contradicted or inconclusive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from vgglab.study.claims.comparisons import (
    Comparison,
    Side,
    Unanswered,
    comparisons,
)
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.directions import DIRECTIONS, Evidence
from vgglab.study.claims.inference import ALPHA, holm
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.pairing import Paired, error_of, pair
from vgglab.study.claims.power import MOST_SEEDS, POWER, seeds_needed
from vgglab.study.view import StudyView


class Verdict(StrEnum):
    """The word on a claim."""

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
    runs: int
    """Runs that the study asks for."""
    trained: int
    """Runs that finished and were tested."""
    states: Mapping[str, int]
    """State -> number of runs in it."""


@dataclass(frozen=True)
class Judgement:
    """One comparison with its tests and its verdict."""

    comparison: Comparison
    sides: tuple[SideResult, ...]
    paired: Paired
    evidence: Evidence
    among_trained: Measured | None
    """The effect among the seeds in which every net learned; None where that is all of them."""
    p_value: float
    p_holm: float
    """Corrected for all comparisons of the study."""
    verdict: Verdict
    reason: str
    seeds_to_settle: int | None


def judge(view: StudyView) -> tuple[list[Judgement], list[Unanswered]]:
    """The verdict of every comparison of a study, and the claims that none of its points answer.

    Verdicts are corrected together for all comparisons (Holm 1979).
    """
    found, unanswered = comparisons(view)
    reader = MistakesReader()
    tested = [_test(comparison, reader) for comparison in found]
    adjusted = holm(np.array([judgement.p_value for judgement in tested]))
    return [
        _with_verdict(judgement, float(p), len(tested))
        for judgement, p in zip(tested, adjusted, strict=True)
    ], unanswered


def _test(comparison: Comparison, reader: MistakesReader) -> Judgement:
    """The tests of a comparison by itself, without a verdict."""
    direction, margin = DIRECTIONS[comparison.claim.direction], comparison.claim.margin
    paired = pair(comparison, reader)
    evidence = direction.evidence(paired, margin)
    among = None
    if not all(paired.trained):
        among = direction.evidence(paired.among_trained(), margin).effect
    # Runs that are still to come might change the answer, and looking early would be looking twice.
    p = 1.0
    if not paired.waiting:
        p = evidence.contradicts
        if not evidence.is_against:
            p = min(evidence.supports, evidence.contradicts, 1.0)
    return Judgement(
        comparison=comparison,
        sides=tuple(_side_result(side, comparison) for side in comparison.sides),
        paired=paired,
        evidence=evidence,
        among_trained=among,
        p_value=p,
        p_holm=p,
        verdict=Verdict.INCONCLUSIVE,
        reason="",
        seeds_to_settle=None,
    )


def _side_result(side: Side, comparison: Comparison) -> SideResult:
    points = [point for net in side.nets for point in net.values()]
    errors = [e for p in points if (e := error_of(p, side, comparison.claim.metric)) is not None]
    return SideResult(
        fields=side.fields,
        protocol=side.protocol,
        error=float(np.mean(errors)) if errors else None,
        runs=len(points),
        trained=len(errors),
        states=dict(sorted(Counter(str(point.state) for point in points).items())),
    )


def _with_verdict(tested: Judgement, p_holm: float, family: int) -> Judgement:
    verdict, reason, needed = _verdict(tested, p_holm, family)
    return replace(tested, p_holm=p_holm, verdict=verdict, reason=reason, seeds_to_settle=needed)


def _verdict(tested: Judgement, p_holm: float, family: int) -> tuple[Verdict, str, int | None]:
    if untestable := _why_untestable(tested):
        return Verdict.INCONCLUSIVE, untestable, None
    if p_holm <= ALPHA:
        claim, evidence = tested.comparison.claim, tested.evidence
        basis = DIRECTIONS[claim.direction].basis(evidence, claim.margin)
        verdict = Verdict.CONTRADICTED if evidence.is_against else Verdict.SUPPORTED
        return verdict, basis, None
    return Verdict.INCONCLUSIVE, *_what_would_settle(tested, family)


def _why_untestable(tested: Judgement) -> str:
    """Why nothing can be tested; empty where it can."""
    paired = tested.paired
    if paired.waiting:
        waiting = sum(not point.state.is_outcome for point in tested.comparison.points)
        return f"{waiting} of its runs have no outcome yet"
    if not paired.seeds:
        return "no seed has an outcome on every side"
    if len(paired.seeds) == 1:
        return "one seed: no noise is known, whatever the difference"
    return "" if any(side.trained for side in tested.sides) else "no net trained"


def _what_would_settle(tested: Judgement, family: int) -> tuple[str, int | None]:
    """Why nothing is shown, and the seeds that would show what is now estimated."""
    effect, clearance = tested.evidence.effect, tested.evidence.clearance
    if effect is None or effect.noise is None:
        return "nothing to test", None
    alone = f"shown alone (p = {tested.p_value:.2g}), but not among {family} claims; "
    start = alone if tested.p_value <= ALPHA else ""
    needed = seeds_needed(effect.noise, clearance, alpha=ALPHA / family)
    if needed is None:
        if effect.noise.image_se and clearance > 0:
            return f"{start}too few test images: {MOST_SEEDS} seeds would not settle it", None
        return f"{start}{MOST_SEEDS} seeds would not settle it", None
    needed = max(needed, effect.seeds + 1)
    return (
        f"{start}{needed} seeds would settle it with a chance of {POWER:.0%}, "
        "were the effect as large as it now looks",
        needed,
    )
