"""The gate: is a candidate's error shown to be lower than a baseline's, asked again and again.

A question is a pair of arms, and every other thing that is asked of them is a further look at it.
The n-th question of a ledger may spend ``ALPHA * share_of(n)`` of the chance of a false word, and
its looks share that as those of a study without declared looks do. These add up to ``ALPHA``
however often is asked, so that by Bonferroni's inequality all words of a ledger together are true
with 95%, whatever the runs have in common (Foster & Stine 2008, alpha-spending).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import scipy

from vgglab.config.claims import Claim
from vgglab.runs import RunRecord
from vgglab.study.claims.comparisons import Comparison, claim_on_named
from vgglab.study.claims.contrast import ALIKE
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.evidence import CLAIMED, OTHER, Evidence
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.pairing import Paired, pair
from vgglab.study.claims.power import seeds_to_show
from vgglab.study.claims.sides import Side
from vgglab.study.claims.spending import spending
from vgglab.study.claims.tested import common_label
from vgglab.study.claims.verdict import overall_p

EXPONENT = 1.3
"""How fast the shares of questions fall: the n-th gets ``n ** -EXPONENT / zeta(EXPONENT)``.

6 / (pi n)^2 gives the first question 61% and the hundredth 0.006%; this gives 25% and 0.064%. Near
1 the tail is longer, and every question of the first thousand has less for it."""
CANDIDATE, BASELINE = 0, 1
LOWER = DIRECTIONS["lower"]


class Word(StrEnum):
    """What the gate says of a candidate."""

    KEEP = "keep"
    REJECT = "reject"
    UNDECIDED = "undecided"


def share_of(question: int) -> float:
    """Of the 5% of a ledger, what its n-th question may spend over all its looks."""
    return float(question**-EXPONENT / scipy.special.zeta(EXPONENT))


@dataclass(frozen=True)
class Place:
    """Where in a ledger an ask stands."""

    question: int
    """From 1, in the order in which pairs of arms were first asked about."""
    look: int
    """At this question, from 1: those at which something could be tested."""

    @property
    def alpha(self) -> float:
        """Chance of a false word that the question may spend over all its looks."""
        return ALPHA * share_of(self.question)


@dataclass(frozen=True)
class Answer:
    """One look at one question."""

    word: Word
    level: float
    """Chance of a false word at this look; 0 where nothing could be tested."""
    interval: tuple[float, float] | None
    """Of the difference, percentage points: the word follows from it. None with one seed."""
    reason: str = ""
    """Why nothing could be tested, or nothing is kept."""


def plain_claim(margin: float) -> Claim:
    """That the candidate's top-1 error is lower by more than a margin, percentage points."""
    return claim_on_named("lower", 2, margin, "the command's")


def compared(
    baseline: Sequence[RunRecord], candidate: Sequence[RunRecord], claim: Claim
) -> Comparison | None:
    """The runs of two arms as the sides of a claim: the candidate first.

    Args:
        baseline: runs of one arm, each with a seed of its own.
        candidate: the same of another.
        claim: has the metric and the ways of testing, of which the first counts that all runs were
            tested in.

    Returns:
        None where there is no such way.
    """
    label = common_label(claim.protocol, [*candidate, *baseline], claim.metric)
    if label is None:
        return None
    nets = [{run.config.seed: run for run in runs} for runs in (candidate, baseline)]
    return Comparison("gate", claim, {}, (), tuple(Side({}, label, (net,)) for net in nets))


def tested(comparison: Comparison) -> tuple[Paired, Evidence]:
    """The errors of a comparison, and the tests of "lower by more than the margin"."""
    paired = pair(comparison, MistakesReader())
    return paired, LOWER.evidence(paired, comparison.claim.margin)


def why_untestable(paired: Paired) -> str:
    """Why no word can be said of these runs; empty where one can."""
    named = {CANDIDATE: "the candidate", BASELINE: "the baseline"}
    for side, name in named.items():
        failed, runs = paired.runs(side)
        if failed == runs:
            return f"no run of {name} trained"
        if runs == 1:
            return f"one seed of {name}: no noise is known, whatever the difference"
        if runs - failed == 1:
            return f"one run of {name} trained: no noise is known, whatever the difference"
    return ""


def answer(paired: Paired, evidence: Evidence, place: Place) -> Answer:
    """The word on a comparison, in its place.

    Args:
        paired: the errors, the candidate first.
        evidence: of a ``lower`` claim on them.
        place: in the ledger.
    """
    if why := why_untestable(paired):
        return Answer(Word.UNDECIDED, 0.0, None, why)
    if evidence.effect is not None and not evidence.effect.is_known:
        return Answer(Word.UNDECIDED, 0.0, None, ALIKE)
    rule = spending(())
    below, above = (rule.tail(tail, place.look) for tail in LOWER.tails(place.alpha))
    said = Answer(
        word=word_of(evidence, place),
        level=rule.tail(place.alpha, place.look),
        interval=evidence.interval_of(below, above),
    )
    failed, runs = paired.runs(CANDIDATE)
    if said.word is Word.KEEP and failed:
        why = f"{failed} of {runs} runs of the candidate did not train: the others alone decide"
        return replace(said, word=Word.UNDECIDED, reason=f"{why} nothing")
    return said


def word_of(evidence: Evidence, place: Place) -> Word:
    """The word on a comparison that can be tested.

    Keep: the candidate's error is shown to be lower by more than the margin. Reject: a gain of more
    than the margin is ruled out. Both are tested as a claim "lower" is, and share its level.
    """
    worth = {
        Word.KEEP: overall_p(evidence.supports, place.look, spending(())),
        Word.REJECT: overall_p(evidence.contradicts, place.look, spending(())),
    }
    best = min(worth, key=lambda word: worth[word])
    return best if worth[best] <= place.alpha else Word.UNDECIDED


def more_seeds(evidence: Evidence, margin: float, alpha: float, look: int) -> int | None:
    """Further seeds of each side by which a look would give a word, with a chance of 80%, if the
    truth is what has been found so far.

    Args:
        evidence: of what there is, at least two seeds a side.
        margin: percentage points.
        alpha: that the question may spend over all its looks.
        look: that will be the next.

    Returns:
        None where the most seeds that are counted (``MOST_SEEDS``) are not enough.
    """
    effect = evidence.effect
    if effect is None or effect.noise is None:
        return None
    is_lower = effect.mean < -margin
    tail = spending(()).tail(alpha * (CLAIMED if is_lower else OTHER), look)
    many = seeds_to_show(effect.noise, abs(effect.mean + margin), tail)
    # So many as there are have not been enough.
    return max(many - effect.seeds, 1) if many else None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked: the same again is answered from the ledger."""

    arms: tuple[str, str]
    """A name of the baseline's arm and of the candidate's."""
    baseline: tuple[str, ...]
    """Ids of the runs, sorted."""
    candidate: tuple[str, ...]
    metric: str
    protocol: str
    """Label of the test."""
    margin: float
    """Percentage points."""

    def adds_to(self, other: Asked) -> bool:
        """Whether it is the other question of the same runs, or of these and more."""
        return (
            replace(self, baseline=other.baseline, candidate=other.candidate) == other
            and set(other.baseline) <= set(self.baseline)
            and set(other.candidate) <= set(self.candidate)
        )


def place_of(asked: Asked, lines: Sequence[Mapping[str, object]]) -> Place:
    """The place of a new ask behind the lines of a ledger.

    Either of two arms may be the baseline: who swaps them asks about the same pair. An ask with one
    seed takes a question's number as well, for what it shows may be why the pair is asked again.
    """
    same = [line for line in lines if sorted(_texts(line["arms"])) == sorted(asked.arms)]
    numbers = [_number(line["question"]) for line in (same or lines)]
    question = numbers[0] if same else 1 + max(numbers, default=0)
    return Place(question, 1 + max((_number(line["look"]) for line in same), default=0))


def earlier(asked: Asked, lines: Sequence[Mapping[str, object]]) -> Mapping[str, object] | None:
    """The line that answers an ask already: of the same runs, or a word on some of them, which
    stands however many are added."""
    for line in lines:
        other = Asked(
            arms=_pair(line["arms"]),
            baseline=tuple(_texts(line["baseline"])),
            candidate=tuple(_texts(line["candidate"])),
            metric=str(line["metric"]),
            protocol=str(line["protocol"]),
            margin=float(str(line["margin"])),
        )
        if other == asked:
            return line
        if line["word"] != Word.UNDECIDED and asked.adds_to(other):
            return line
    return None


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r}: not a list")
    return [str(text) for text in value]


def _pair(value: object) -> tuple[str, str]:
    first, second = _texts(value)
    return first, second


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r}: not a whole number")
    return value
