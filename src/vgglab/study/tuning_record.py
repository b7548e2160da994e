"""What a study was tuned to, and its words without tuning, as ``claims.json`` keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

from vgglab.runs import RunRecord
from vgglab.study.arms import Arm, arms
from vgglab.study.claims.verdict import judge
from vgglab.study.ledger import claim_key
from vgglab.study.looking import with_looks
from vgglab.study.tuning import Values, net_of
from vgglab.study.view import MissingPoint, StudyView

DIGITS = 6


class WordRecord(TypedDict):
    """A claim's word where all nets have one setting."""

    claim: str
    setting: dict[str, Any]
    """Of the comparison, as in the claim's own record."""
    mean: float | None
    """Difference, percentage points."""
    verdict: str


class CandidateRecord(TypedDict):
    """A net with a setting."""

    net: dict[str, str]
    setting: dict[str, Any]
    errors: dict[str, float | None]
    """Tuning seed -> lowest validation error, percent."""
    chosen: bool


class TuningRecord(TypedDict):
    """The tuning of a study in ``claims.json``."""

    candidates: list[CandidateRecord]
    one_for_all: dict[str, Any]
    """The setting that is best over all nets."""
    words: list[WordRecord]
    """With that setting for all nets; empty where those runs were not asked for."""


def tuning_record(view: StudyView) -> TuningRecord | None:
    """The tuning of a study; None if it was not tuned."""
    tuning = view.tuning
    if tuning is None:
        return None
    arm_of = tuned_arms(view)
    candidates: list[CandidateRecord] = []
    for candidate in tuning.candidates:
        arm = arm_of[candidate.net]
        net = {"model": arm.model, "norm": arm.norm, "init": arm.init, "variant": arm.variant}
        errors = candidate.errors.items()
        candidates.append(
            {
                "net": net,
                "setting": dict(candidate.setting),
                "errors": {str(s): None if e is None else round(e, DIGITS) for s, e in errors},
                "chosen": tuning.chosen.get(candidate.net) == candidate.setting,
            }
        )
    return {
        "candidates": candidates,
        "one_for_all": dict(tuning.one_for_all),
        "words": words_with_one_setting(view),
    }


def tuned_arms(view: StudyView) -> dict[Values, Arm]:
    """Net that was tuned -> its arm."""
    assert view.tuning is not None
    arm_of = arms(view)
    return {net_of(point.config, view.tuning.fields): arm_of[point.id] for point in view.points}


def control_of(view: StudyView) -> StudyView:
    """The study of a tuned study's control runs, which all have one setting, with its own looks."""
    return with_looks(
        replace(
            view,
            runs=tuple(p for p in view.control if isinstance(p, RunRecord)),
            missing=tuple(p for p in view.control if isinstance(p, MissingPoint)),
            ledger=view.control_ledger,
            complete=0,
        )
    )


def words_with_one_setting(view: StudyView) -> list[WordRecord]:
    """The words of a study's claims from its control runs."""
    if not view.control:
        return []
    words: list[WordRecord] = []
    for found in judge(control_of(view))[0]:
        effect = found.evidence.effect
        words.append(
            {
                "claim": found.comparison.name,
                "setting": dict(found.comparison.setting),
                "mean": round(effect.mean, DIGITS) if effect else None,
                "verdict": str(found.verdict),
            }
        )
    return words


def word_without_tuning(record: TuningRecord, claim: str, setting: Mapping[str, Any]) -> str:
    """The word on a claim where all nets have one setting; empty where it was not asked for.

    Args:
        record: of a tuned study.
        claim: its name.
        setting: tells it from the same claim of other nets.
    """
    key = claim_key(claim, setting)
    words = {claim_key(word["claim"], word["setting"]): word["verdict"] for word in record["words"]}
    return words.get(key, "")
