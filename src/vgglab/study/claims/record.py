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
from vgglab.study.view import StudyView

DIGITS = 6
"""After the point: finer than any test set resolves, coarser than what processors disagree on."""


class MeasuredRecord(TypedDict):
    """A difference with its noise."""

    mean: float
    interval: list[float] | None
    by_seed: list[float]
    seed_sd: float | None
    image_se: float | None
    images: int | None
    paired_by_image: bool


class SideRecord(TypedDict):
    """One side of a comparison."""

    fields: dict[str, Any]
    protocol: str
    error: float | None
    """Mean of the runs that trained."""
    asked: int
    """Runs that the study asks for."""
    trained: int
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
    waiting: list[int]
    unpaired: list[int]


class ClaimRecord(TypedDict):
    """One comparison of a claim."""

    claim: str
    statement: str
    origin: str
    setting: dict[str, Any]
    averaged_over: list[dict[str, Any]]
    direction: str
    metric: str
    margin: float
    margin_reason: str
    paper: PaperRecord
    sides: list[SideRecord]
    seeds: SeedsRecord
    effect: MeasuredRecord | None
    relative: float | None
    """The difference as a share of the second side's error, percent."""
    parts: list[MeasuredRecord]
    among_trained: MeasuredRecord | None
    p_value: float
    p_holm: float
    verdict: str
    reason: str
    seeds_to_settle: int | None


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
    family: int
    """Comparisons that are corrected together."""
    claims: list[ClaimRecord]
    not_asked: list[UnansweredRecord]


def claims_record(view: StudyView) -> ClaimsFile:
    """Judge every claim of a study."""
    judgements, unanswered = judge(view)
    return {
        "study": view.name,
        "confidence": CONFIDENCE,
        "alpha": round(ALPHA, DIGITS),
        "correction": "Holm",
        "family": len(judgements),
        "claims": [_claim(judgement) for judgement in judgements],
        "not_asked": [_unanswered(claim, view) for claim in unanswered],
    }


def _unanswered(found: Unanswered, view: StudyView) -> UnansweredRecord:
    return {
        "claim": found.name,
        "statement": view.claims[found.name].statement,
        "why": found.why,
    }


def _claim(found: Judgement) -> ClaimRecord:
    comparison, claim, evidence = found.comparison, found.comparison.claim, found.evidence
    return {
        "claim": comparison.name,
        "statement": claim.statement,
        "origin": claim.origin,
        "setting": dict(comparison.setting),
        "averaged_over": [dict(values) for values in comparison.averaged if values],
        "direction": claim.direction,
        "metric": claim.metric,
        "margin": claim.margin,
        "margin_reason": claim.margin_reason,
        "paper": _paper(claim.paper),
        "sides": [_side(side) for side in found.sides],
        "seeds": {
            "used": list(found.paired.seeds),
            "untrained": [
                seed
                for seed, trained in zip(found.paired.seeds, found.paired.trained, strict=True)
                if not trained
            ],
            "waiting": list(found.paired.waiting),
            "unpaired": list(found.paired.unpaired),
        },
        "effect": _optional(evidence.effect),
        "relative": _rounded_or_none(_relative(found)),
        "parts": [_measured(part) for part in evidence.parts],
        "among_trained": _optional(found.among_trained),
        "p_value": _rounded(found.p_value),
        "p_holm": _rounded(found.p_holm),
        "verdict": str(found.verdict),
        "reason": found.reason,
        "seeds_to_settle": found.seeds_to_settle,
    }


def _relative(found: Judgement) -> float | None:
    """A difference of two sides as a share of the second one's error, percent."""
    effect, base = found.evidence.effect, found.sides[1].error
    if effect is None or not base or len(found.sides) > 2 or not all(found.paired.trained):
        return None
    return 100 * effect.mean / base


def _paper(found: PaperFigures) -> PaperRecord:
    return {"section": found.section, "errors": list(found.errors), "note": found.note}


def _side(side: SideResult) -> SideRecord:
    return {
        "fields": dict(side.fields),
        "protocol": side.protocol,
        "error": _rounded_or_none(side.error),
        "asked": side.runs,
        "trained": side.trained,
        "states": dict(side.states),
    }


def _optional(found: Measured | None) -> MeasuredRecord | None:
    return None if found is None else _measured(found)


def _measured(found: Measured) -> MeasuredRecord:
    noise = found.noise
    return {
        "mean": _rounded(found.mean),
        "interval": [_rounded(end) for end in found.interval] if found.interval else None,
        "by_seed": [_rounded(value) for value in found.by_seed],
        "seed_sd": _rounded(noise.seed_sd) if noise else None,
        "image_se": _rounded(noise.image_se) if noise else None,
        "images": found.images,
        "paired_by_image": found.paired,
    }


def _rounded_or_none(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _rounded(value: float) -> float:
    return round(value, DIGITS) + 0.0  # which makes a negative zero positive
