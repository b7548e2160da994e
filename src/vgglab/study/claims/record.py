"""``claims.json``: every claim with what it compares, its numbers and its verdict.

Errors are percentages, differences percentage points.
"""

from __future__ import annotations

from typing import Any, TypedDict

from vgglab.config.claims import PaperFigures
from vgglab.study.claims.comparisons import Unanswered
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.inference import ALPHA, CONFIDENCE
from vgglab.study.claims.verdict import Judgement, SideResult, judge
from vgglab.study.claims.wanted import seeds_wanted
from vgglab.study.view import StudyView, once_a_view

DIGITS = 6
"""After the point: finer than any test set resolves, coarser than what processors disagree on."""


class MeasuredRecord(TypedDict):
    """A difference with its noise."""

    mean: float
    interval: list[float] | None
    """At 95% over all looks of the study so far."""
    by_seed: list[float]
    """Of the seeds that every side has."""
    seed_sd: float | None
    freedom: float | None
    """Degrees of freedom of the seeds' part."""
    image_se: float | None
    images: int | None
    paired_by_image: bool


class BestRecord(TypedDict):
    """Where along an order the error is least."""

    at: float | None
    at_or_below: float | None
    at_or_beyond: float | None
    """What the claim says; the others are null."""
    place: float | None
    """With the least mean error."""
    may_be: list[float]
    """Places that are not shown not to have the least error, at 95% over all looks so far."""
    text: str
    """The same in words; where an end was tried last the best may lie beyond it."""
    p_values: list[float]
    """At this look, for each place, ascending, that it is not the best; for all its rivals."""


class SideRecord(TypedDict):
    """One side of a comparison."""

    fields: dict[str, Any]
    protocol: str
    error: float | None
    """Mean of the runs that trained."""
    asked: int
    """Runs that the study asks for."""
    trained: int
    untrained: int
    """Runs that have an outcome and did not train."""
    untrained_share: list[float] | None
    """Exact 95% interval for the share of runs that do not train, percent."""
    states: dict[str, int]


class PaperRecord(TypedDict):
    """The paper's own numbers."""

    section: str
    errors: list[float]
    note: str


class SeedsRecord(TypedDict):
    """Which seeds a comparison is made of."""

    used: list[int]
    untrained: list[int]
    """Those with which some net did not train."""
    waiting: list[int]


class ClaimRecord(TypedDict):
    """One comparison of a claim."""

    claim: str
    statement: str
    about: str
    """Its topic, one of ``config.claims.Topic``."""
    origin: str
    setting: dict[str, Any]
    averaged_over: list[dict[str, Any]]
    """The nets that the errors and the difference are means of."""
    direction: str
    metric: str
    margin: float
    """Percentage points."""
    margin_share: float
    """The same in percent of the reference's error, where it was declared so; else 0."""
    margin_reason: str
    paper: PaperRecord
    sides: list[SideRecord]
    seeds: SeedsRecord
    effect: MeasuredRecord | None
    relative: float | None
    """The difference as a share of the second side's error, percent."""
    parts: list[MeasuredRecord]
    best: BestRecord | None
    """Of a claim on where the least error is, whose margin and intervals are of places."""
    places: list[float]
    """Where the sides stand along an order."""
    look: int
    """The look that gave the word, or the last one; from 1."""
    alpha_spent: float
    """Chance of a false word on this claim by itself, up to that look."""
    p_value: float
    """Over all looks and both words."""
    p_holm: float
    decisive: list[float] | None
    """The effect's interval at the level that decides, looks and other claims considered."""
    seeds_wanted: int | None
    """Of each side, for a word, if the truth is what was found: ``claims/wanted.py``. None: it has
    one, or nothing is known of its noise."""
    of_trained_runs: bool
    """Whether runs did not train, so that the word is about the others alone."""
    verdict: str
    reason: str


class UnansweredRecord(TypedDict):
    """A claim that no points of the study answer."""

    claim: str
    statement: str
    why: str


class ClaimsFile(TypedDict):
    """The contents of ``claims.json``."""

    study: str
    confidence: float
    alpha: float
    correction: str
    looks: list[int]
    """Declared numbers of seeds; empty: none."""
    family: int
    """Comparisons that are corrected together."""
    claims: list[ClaimRecord]
    not_asked: list[UnansweredRecord]


@once_a_view
def claims_record(view: StudyView) -> ClaimsFile:
    """Judge every claim of a study."""
    judgements, unanswered = judge(view)
    return {
        "study": view.name,
        "confidence": CONFIDENCE,
        "alpha": round(ALPHA, DIGITS),
        "correction": "Holm",
        "looks": list(view.looks),
        "family": len(judgements),
        "claims": [claim_record(judgement, len(judgements)) for judgement in judgements],
        "not_asked": [_unanswered(claim, view) for claim in unanswered],
    }


def _unanswered(found: Unanswered, view: StudyView) -> UnansweredRecord:
    return {
        "claim": found.name,
        "statement": view.claims[found.name].statement,
        "why": found.why,
    }


def claim_record(found: Judgement, family: int) -> ClaimRecord:
    """One judged comparison; ``family`` counts those that are corrected together."""
    comparison, claim, evidence = found.comparison, found.comparison.claim, found.evidence
    return {
        "claim": comparison.name,
        "statement": claim.statement,
        "about": claim.about,
        "origin": claim.origin,
        "setting": dict(comparison.setting),
        "averaged_over": [dict(values) for values in found.averaged if values],
        "direction": claim.direction,
        "metric": claim.metric,
        "margin": _rounded(found.margin),
        "margin_share": claim.margin_share,
        "margin_reason": claim.margin_reason,
        "paper": _paper(claim.paper),
        "sides": [_side(side) for side in found.sides],
        "seeds": {
            "used": list(found.paired.seeds),
            "untrained": list(found.paired.untrained),
            "waiting": list(found.paired.waiting),
        },
        "effect": _measured(evidence.effect, found.tail) if evidence.effect else None,
        "relative": _rounded_or_none(_relative(found)),
        "parts": [_measured(part, found.tail) for part in evidence.parts],
        "best": _best(found),
        "places": list(found.paired.places),
        "look": found.look,
        "alpha_spent": _rounded(ALPHA * found.spent),
        "p_value": _rounded(found.p_value),
        "p_holm": _rounded(found.p_holm),
        "decisive": _interval(found.decisive),
        "seeds_wanted": seeds_wanted(found, family),
        "of_trained_runs": found.is_of_trained_runs,
        "verdict": str(found.verdict),
        "reason": found.reason,
    }


def _relative(found: Judgement) -> float | None:
    """A difference of two sides as a share of the second one's error, percent."""
    effect, base = found.evidence.effect, found.sides[1].error
    if effect is None or not base or len(found.sides) > 2:
        return None
    return 100 * effect.mean / base


def _best(found: Judgement) -> BestRecord | None:
    claimed, best = found.comparison.claim.best, found.evidence.best
    if claimed is None:
        return None
    level = 2 * found.tail
    is_known = best is not None and best.seeds > 1
    return {
        "at": claimed.at,
        "at_or_below": claimed.at_or_below,
        "at_or_beyond": claimed.at_or_beyond,
        "place": best.place if best else None,
        "may_be": list(best.may_be(level)) if best and is_known else [],
        "text": best.text(level) if best and is_known else "",
        "p_values": [_rounded(test.corrected) for test in best.tests] if best else [],
    }


def _paper(found: PaperFigures) -> PaperRecord:
    return {"section": found.section, "errors": list(found.errors), "note": found.note}


def _side(side: SideResult) -> SideRecord:
    return {
        "fields": dict(side.fields),
        "protocol": side.protocol,
        "error": _rounded_or_none(side.error),
        "asked": side.runs,
        "trained": side.trained,
        "untrained": side.untrained,
        "untrained_share": _interval(side.untrained_share),
        "states": dict(side.states),
    }


def _measured(found: Measured, tail: float) -> MeasuredRecord:
    noise = found.noise
    return {
        "mean": _rounded(found.mean),
        "interval": _interval(found.interval_of(tail, tail)),
        "by_seed": [_rounded(value) for value in found.by_seed],
        "seed_sd": _rounded(noise.seed_sd) if noise else None,
        "freedom": _rounded(found.freedom) if noise else None,
        "image_se": _rounded(noise.image_se) if noise else None,
        "images": found.images,
        "paired_by_image": found.paired,
    }


def _interval(ends: tuple[float, float] | None) -> list[float] | None:
    return [_rounded(end) for end in ends] if ends else None


def _rounded_or_none(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _rounded(value: float) -> float:
    return round(value, DIGITS) + 0.0  # which makes a negative zero positive
