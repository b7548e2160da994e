"""From errors to a word: supported, contradicted or inconclusive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import scipy

from vgglab.runs.records import GUESSING
from vgglab.study.claims.comparisons import Comparison, Unanswered, comparisons
from vgglab.study.claims.contrast import ALIKE
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.distributions import beta_isf, normal_isf
from vgglab.study.claims.evidence import Direction, Evidence, OneSided
from vgglab.study.claims.inference import ALPHA, holm, holm_levels
from vgglab.study.claims.looks import Looks, looks_of
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.pairing import Paired, error_of, has_trained, pair
from vgglab.study.claims.sides import Side
from vgglab.study.claims.spending import Spending, spending
from vgglab.study.view import StudyView

Interval = tuple[float, float]


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
    """Runs that the look asks for."""
    trained: int
    """Runs that finished, were tested and do better than guessing."""
    untrained: int
    """Runs that have an outcome and did not train."""
    states: Mapping[str, int]
    """State -> number of runs in it; of those that finished, some may be ``GUESSING``."""

    @property
    def untrained_share(self) -> Interval | None:
        """Percent of such runs that do not train, at most and at least; None without an outcome."""
        runs = self.trained + self.untrained
        return share_interval(self.untrained, runs) if runs else None


@dataclass(frozen=True)
class Judgement:
    """One comparison with its tests and its verdict, at the look that gave it or the last one."""

    comparison: Comparison
    sides: tuple[SideResult, ...]
    paired: Paired
    evidence: Evidence
    margin: float
    """Percentage points."""
    look: int
    """From 1."""
    rule: Spending
    """By which the looks at it share its 5%."""
    tail: float
    """Of the intervals that hold at 95% at this look, the chance on each side."""
    spent: float
    """Of the claim's alpha, the share that is spent by now."""
    p_value: float
    """Over all looks, and both words."""
    p_holm: float = 1.0
    """Corrected for all comparisons that had no word before this look."""
    decisive: Interval | None = None
    """The interval that the word follows from: at the level that Holm's correction asks for."""
    verdict: Verdict = Verdict.INCONCLUSIVE
    reason: str = ""

    @property
    def direction(self) -> Direction:
        return _direction(self.comparison)

    @property
    def distance(self) -> float | None:
        """From the effect to the nearest of the bounds, percentage points; None without either."""
        effect, bounds = self.evidence.effect, self.direction.bounds(self.margin)
        if effect is None or not bounds:
            return None
        return min(abs(effect.mean - bound) for bound in bounds)

    @property
    def averaged(self) -> list[Mapping[str, Any]]:
        """The nets that are averaged over: those that every side has, or all where none is such."""
        used = self.paired.averages
        return [net for i, net in enumerate(self.comparison.averaged) if not used or i in used]

    @property
    def is_settled(self) -> bool:
        return self.verdict is not Verdict.INCONCLUSIVE

    @property
    def is_of_trained_runs(self) -> bool:
        """Whether runs of a side did not train, so that the word is about the others alone."""
        return not self.direction.counts_runs and any(side.untrained for side in self.sides)


def _direction(comparison: Comparison) -> Direction:
    return DIRECTIONS[comparison.claim.direction].aimed(comparison.claim.best)


def share_interval(count: int, of: int) -> Interval:
    """Exact 95% interval for a share, percent (Clopper & Pearson 1934); one-sided at 0 and all."""
    tail = ALPHA if count in (0, of) else ALPHA / 2
    low = float(scipy.stats.beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = beta_isf(tail, count + 1, of - count) if count < of else 1.0
    return 100 * low, 100 * high


def judge(view: StudyView) -> tuple[list[Judgement], list[Unanswered]]:
    """The verdict of every comparison of a study, and the claims that none of its points answer."""
    found, unanswered = comparisons(view)
    return judged(found, view, view.reader), unanswered


def judged(found: Sequence[Comparison], view: StudyView, reader: MistakesReader) -> list[Judgement]:
    """The verdicts of a study's comparisons, in their order.

    The study is looked at as it was declared to be, or as often as its ledger says. At each look
    the claims without a word are corrected together (Holm 1979), each at the level that is left of
    its 5%; a word stands (Ye et al. 2013, "A group sequential Holm procedure").

    Args:
        found: what the claims compare.
        view: the study; its looks and its ledger count.
        reader: knows which test images each run got wrong.
    """
    looks = [looks_of(view, comparison) for comparison in found]
    latest: dict[int, Judgement] = {}
    for look in range(1, max((len(of_one.seeds) for of_one in looks), default=0) + 1):
        is_open = [i for i in range(len(found)) if not (i in latest and latest[i].is_settled)]
        now = {
            i: _test(comparison, pair(comparison, reader), look, looks[i].rule)
            for i in is_open
            if look <= len(looks[i].seeds)
            for seeds in [looks[i].seeds[look - 1]]
            if seeds is not None  # what was spent at it is spent
            for comparison in [found[i].among(seeds)]
        }
        if not now:
            continue
        is_complete = not any(judgement.paired.waiting for judgement in now.values())
        if not is_complete and view.looks and look > 1 and not _has_begun(now, looks):
            break  # the numbers stay those of the look before
        may_speak = is_complete or not view.looks
        latest |= _with_words(now, len(is_open)) if may_speak else _mid_look(now)
        if not is_complete and view.looks:
            break
    return [latest[i] for i in range(len(found))]


def judged_once(asked: Sequence[tuple[Comparison, Paired]]) -> list[Judgement]:
    """The verdicts on errors that are given, in one look, corrected for each other."""
    once = spending((1,))
    now = {i: _test(comparison, paired, 1, once) for i, (comparison, paired) in enumerate(asked)}
    return list(_with_words(now, len(now)).values())


def _has_begun(now: Mapping[int, Judgement], looks: Sequence[Looks]) -> bool:
    """Whether a run that a look adds to the one before it has an outcome."""
    return any(
        point.state.is_outcome
        for i, judgement in now.items()
        for point in judgement.comparison.points
        if point.config.seed not in (looks[i].seeds[judgement.look - 2] or ())
    )


def _test(comparison: Comparison, paired: Paired, look: int, rule: Spending) -> Judgement:
    """The tests of a comparison by itself, without a verdict."""
    claim = comparison.claim
    direction = _direction(comparison)
    margin = claim.margin
    if claim.margin_share:
        reference = paired.error(direction.reference % paired.sides)
        margin = claim.margin_share / 100 * (reference or 0.0)
    evidence = direction.evidence(paired, margin)
    sides = tuple(
        _side_result(side, i, comparison, paired) for i, side in enumerate(comparison.sides)
    )
    # Runs that are still to come might change the answer, and looking early would be looking twice.
    tests = (evidence.supports, evidence.contradicts)
    p = 1.0 if paired.waiting else min(overall_p(test, look, rule) for test in tests)
    return Judgement(
        comparison=comparison,
        sides=sides,
        paired=paired,
        evidence=evidence,
        margin=margin,
        look=look,
        rule=rule,
        tail=rule.tail(ALPHA / 2, look),
        spent=rule.spent(look),
        p_value=p,
    )


def overall_p(test: OneSided, look: int, rule: Spending) -> float:
    """The p-value of a test over all looks so far, times the differences among which it was picked.

    Args:
        test: at its look.
        look: its number, from 1.
        rule: that shares out the chance of a false word.
    """
    return min(1.0, test.factor * rule.overall(test.p_value, look))


def _side_result(side: Side, place: int, comparison: Comparison, paired: Paired) -> SideResult:
    points = [point for net in side.nets for point in net.values()]
    untrained, over = paired.runs(place)
    metric = comparison.claim.metric
    states = [
        GUESSING
        if error_of(point, side, metric) is not None and not has_trained(point, side, metric)
        else str(point.state)
        for point in points
    ]
    return SideResult(
        fields=side.fields,
        protocol=side.protocol,
        error=paired.error(place),
        runs=len(points),
        trained=over - untrained,
        untrained=untrained,
        states=dict(sorted(Counter(states).items())),
    )


def _mid_look(now: Mapping[int, Judgement]) -> dict[int, Judgement]:
    """Numbers and no words: a look is judged when all of its runs have an outcome."""
    waiting = {
        point.id
        for judgement in now.values()
        for point in judgement.comparison.points
        if not point.state.is_outcome
    }
    reason = f"in the middle of a look: {len(waiting)} of its runs have no outcome yet"
    return {i: replace(judgement, p_value=1.0, reason=reason) for i, judgement in now.items()}


def _with_words(now: Mapping[int, Judgement], family: int) -> dict[int, Judgement]:
    """The verdicts of a look; ``family`` counts the claims that had no word before it."""
    order = list(now)
    p_values = np.ones(family)
    p_values[: len(order)] = [now[i].p_value for i in order]
    adjusted, levels = holm(p_values), holm_levels(p_values)
    found = {}
    for place, i in enumerate(order):
        tails = now[i].direction.tails(float(levels[place]), now[i].evidence)
        below, above = (now[i].rule.tail(t, now[i].look) for t in tails)
        judgement = replace(
            now[i],
            p_holm=float(adjusted[place]),
            decisive=now[i].evidence.interval_of(below, above),
        )
        found[i] = _with_word(judgement, family)
    return found


def _with_word(tested: Judgement, family: int) -> Judgement:
    direction, evidence = tested.direction, tested.evidence
    if untestable := _why_untestable(tested):
        return replace(tested, p_value=1.0, p_holm=1.0, decisive=None, reason=untestable)
    tests = (evidence.supports, evidence.contradicts)
    for_it, against_it = (overall_p(test, tested.look, tested.rule) for test in tests)
    against = against_it < for_it
    if tested.p_holm <= ALPHA:
        verdict = Verdict.CONTRADICTED if against else Verdict.SUPPORTED
        reason = direction.basis(evidence, tested.margin, against=against)
    else:
        verdict, reason = tested.verdict, _why_open(tested, family, against=against)
    reasons = "; ".join(filter(None, (reason, _left_out(tested))))
    return replace(tested, verdict=verdict, reason=reasons)


def _left_out(tested: Judgement) -> str:
    """Which of the nets that a claim averages over it is not about; empty where it is of all."""
    if tested.direction.counts_runs:
        return ""
    nets = [net for net in tested.comparison.averaged if net not in tested.averaged]
    names = ", ".join(f"{name}={value}" for net in nets for name, value in net.items())
    return f"without {names}, of which too few runs trained on a side" if names else ""


def _why_untestable(tested: Judgement) -> str:
    """Why nothing can be tested; empty where it can."""
    if tested.paired.waiting:
        waiting = sum(not point.state.is_outcome for point in tested.comparison.points)
        return f"{waiting} of its runs have no outcome yet"
    if not tested.paired.seeds:
        return "no run has an outcome"
    return "" if tested.direction.counts_runs else _why_no_error(tested)


def _why_no_error(tested: Judgement) -> str:
    """Why the errors of runs that trained cannot be compared; empty where they can."""
    without = sum(not side.trained for side in tested.sides)
    seeds = tested.evidence.seeds
    if without == len(tested.sides):
        return "no net trained"
    if without:
        return "no run of a side trained: there is no error to compare"
    if seeds is None:
        return "no net that is averaged over trained on every side"
    if seeds < 2:
        return "one seed: no noise is known, whatever the difference"
    effect = tested.evidence.effect
    if effect is not None and not effect.is_known:
        return ALIKE
    return ""


def _why_open(tested: Judgement, family: int, *, against: bool) -> str:
    """Why nothing is shown; ``against``: whether the runs rather speak against the claim."""
    parts = [tested.direction.lacking(tested.evidence, tested.margin)]
    if tested.p_value <= ALPHA:
        what = "its contrary is shown" if against else "shown"
        parts.append(f"{what} alone (p = {tested.p_value:.2g}), but not among {family} claims")
    elif _is_for_want_of_images(tested):
        parts.append("too few test images: a difference of that size is within their luck")
    return "; ".join(part for part in parts if part)


def _is_for_want_of_images(tested: Judgement) -> bool:
    """Whether no number of seeds would show a difference as it now looks."""
    effect, distance = tested.evidence.effect, tested.distance
    if effect is None or distance is None:
        return False
    widest = float(normal_isf(tested.tail) * np.sqrt(effect.image_variance))
    return 0 < distance < widest
