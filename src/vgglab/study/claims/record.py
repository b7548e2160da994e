"""``claims.json``: every claim with its question, numbers and verdict, as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any

from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.inference import CONFIDENCE
from vgglab.study.claims.questions import NotAsked
from vgglab.study.claims.verdict import ALPHA, Answer, SideResult, answer
from vgglab.study.view import StudyView

DIGITS = 6
"""After the point: finer than any test set resolves, coarser than what processors disagree on."""

Record = dict[str, Any]


def claims_record(view: StudyView) -> Record:
    """The contents of ``claims.json``; errors are percentages, differences percentage points."""
    answers, not_asked = answer(view)
    return {
        "study": view.name,
        "confidence": CONFIDENCE,
        "alpha": round(ALPHA, DIGITS),
        "correction": "Holm",
        "family": len(answers),
        "claims": [_claim(a) for a in answers],
        "not_asked": [_not_asked(n, view) for n in not_asked],
    }


def _not_asked(found: NotAsked, view: StudyView) -> Record:
    return {
        "claim": found.name,
        "statement": view.claims[found.name].statement,
        "why": found.why,
    }


def _claim(found: Answer) -> Record:
    question, claim, tests = found.question, found.question.claim, found.tests
    return {
        "claim": question.name,
        "statement": claim.statement,
        "origin": claim.origin,
        "setting": dict(question.setting),
        "averaged_over": [dict(values) for values in question.averaged if values],
        "direction": claim.direction,
        "metric": claim.metric,
        "margin": claim.margin,
        "margin_reason": claim.margin_reason,
        "paper": dataclasses.asdict(claim.paper),
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
        "effect": _measured(tests.effect),
        "relative": _rounded(_relative(found)),
        "parts": [_measured(part) for part in tests.parts],
        "among_trained": _measured(found.among_trained),
        "p_value": _rounded(found.p_value),
        "p_holm": _rounded(found.p_holm),
        "verdict": str(found.verdict),
        "reason": found.reason,
        "seeds_to_settle": found.seeds_to_settle,
    }


def _relative(found: Answer) -> float | None:
    """A difference of two sides as a share of the second one's error, percent."""
    effect, base = found.tests.effect, found.sides[1].error
    if effect is None or not base or len(found.sides) > 2 or not all(found.paired.trained):
        return None
    return 100 * effect.mean / base


def _side(side: SideResult) -> Record:
    return {
        "fields": dict(side.fields),
        "protocol": side.protocol,
        "error": _rounded(side.error),
        "asked": side.asked,
        "trained": side.trained,
        "states": dict(side.states),
    }


def _measured(found: Measured | None) -> Record | None:
    if found is None:
        return None
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


def _rounded(value: float | None) -> float | None:
    # + 0.0 makes a negative zero positive.
    return None if value is None else round(value, DIGITS) + 0.0
