"""Two studies, compared: every arm and claim, and what of them has moved by more than noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from vgglab.config import SEED
from vgglab.config.fields import Role
from vgglab.runs import RunRecord, State
from vgglab.study.arms import Arm
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.record import ClaimRecord, claim_record
from vgglab.study.claims.tested import Point
from vgglab.study.claims.verdict import judge
from vgglab.study.differences.matched_arms import (
    NO_PROTOCOL,
    MatchedArm,
    NoPairs,
    error_draft,
    errors_of,
    matched_arms,
    protocols_of_both,
    shared_runs,
    training_draft,
)
from vgglab.study.differences.matched_claims import claim_draft, matched_claims
from vgglab.study.differences.settings import (
    MACHINE,
    ORDER,
    SOURCE,
    VERSIONS,
    FieldChange,
    RecordChange,
    field_changes,
    record_changes,
)
from vgglab.study.differences.shifts import Draft, Shift, Word, settled
from vgglab.study.view import StudyView

_KINDS = (VERSIONS, SOURCE, MACHINE)


@dataclass(frozen=True)
class ArmShift:
    """One arm of both studies under one protocol."""

    arm: Arm
    protocol: str
    then: float | None
    """Mean error of its runs that trained, percent."""
    now: float | None
    seeds: tuple[int, int]
    """Runs that trained and were tested, then and now."""
    asked: tuple[int, int]
    shared: int
    """Runs that are the very same in both: left out of the shift."""
    error: Shift
    training: Shift | None
    """Of how many runs train; None where all of them did."""


@dataclass(frozen=True)
class ClaimShift:
    """One claim of both studies."""

    then: ClaimRecord
    now: ClaimRecord
    shift: Shift

    @property
    def has_another_word(self) -> bool:
        """Whether its verdict is another one now."""
        return self.then["verdict"] != self.now["verdict"]


@dataclass(frozen=True)
class TwoStudies:
    """What differs between two studies."""

    names: tuple[str, str]
    runs: tuple[int, int]
    """With an outcome."""
    points: tuple[int, int]
    shared: int
    """Runs that are the very same in both."""
    data: tuple[tuple[str, ...], tuple[str, ...]]
    """Fingerprints that are known."""
    same_images: bool
    """Whether their test images may be set side by side."""
    arms: list[ArmShift]
    arms_alone: tuple[list[Arm], list[Arm]]
    """Of the earlier study alone, and of the later one."""
    fields: list[FieldChange]
    records: list[RecordChange]
    claims: list[ClaimShift]
    claims_alone: tuple[list[str], list[str]]

    @property
    def shifts(self) -> list[Shift]:
        """All that was asked at once."""
        of_arms = [s for arm in self.arms for s in (arm.error, arm.training) if s]
        return [*of_arms, *(claim.shift for claim in self.claims)]

    @property
    def has_moved(self) -> bool:
        """Whether anything has moved by more than noise."""
        return any(shift.word is Word.MOVED for shift in self.shifts)


def compare_studies(
    then: StudyView, now: StudyView, data_of: Callable[[RunRecord], str]
) -> TwoStudies:
    """Compare two studies.

    The shifts of all arms and claims are tested as a claim's differences are, with the noise of
    seeds and of test images, and corrected together: where the two studies are draws of the same,
    the chance that any of them is said to have moved is at most 5%.

    Args:
        then: the earlier one.
        now: the later one.
        data_of: a run -> the fingerprint of its data; empty where it is not known.
    """
    both, *alone = matched_arms(then, now)
    data = _fingerprints(then, data_of), _fingerprints(now, data_of)
    same_images = _have_same_images(then, now, data)
    reader = then.reader if same_images else NoPairs()
    now = replace(now, reader=then.reader)  # each run's predictions are read once
    tests = [(arm, label) for arm in both for label in protocols_of_both(arm) or [NO_PROTOCOL]]
    errors = [error_draft(arm, label, reader) for arm, label in tests]
    training = [training_draft(arm, label, reader) for arm, label in tests]
    judged = judge(then)[0], judge(now)[0]
    claims, *claims_alone = matched_claims(*judged)
    drafts: list[Draft] = [d for d in (*errors, *training) if d]
    drafts += [claim_draft(claim, reader) for claim in claims]
    shifts = iter(settled(drafts))
    of_errors = [next(shifts) for _ in errors]
    of_training = [next(shifts) if d else None for d in training]
    return TwoStudies(
        names=(then.name, now.name),
        runs=(_with_outcome(then.points), _with_outcome(now.points)),
        points=(len(then.points), len(now.points)),
        shared=len(shared_runs(then.points, now.points)),
        data=data,
        same_images=same_images,
        arms=[
            _arm_shift(arm, label, reader, error, trains)
            for (arm, label), error, trains in zip(tests, of_errors, of_training, strict=True)
        ],
        arms_alone=(alone[0], alone[1]),
        fields=_fields(both),
        records=record_changes(then.runs, now.runs, _KINDS),
        claims=[
            ClaimShift(
                claim_record(claim.then, len(judged[0])),
                claim_record(claim.now, len(judged[1])),
                shift,
            )
            for claim, shift in zip(claims, shifts, strict=True)
        ],
        claims_alone=(claims_alone[0], claims_alone[1]),
    )


def _arm_shift(
    arm: MatchedArm, protocol: str, reader: MistakesReader, error: Shift, training: Shift | None
) -> ArmShift:
    paired = errors_of(arm.then, arm.now, protocol, reader)
    trained = [sum(len(c.seeds) for c in paired.cells if c.side == side) for side in (1, 0)]
    return ArmShift(
        arm=arm.arm,
        protocol=protocol,
        then=paired.error(1),
        now=paired.error(0),
        seeds=(trained[0], trained[1]),
        asked=(_asked(arm.then.values()), _asked(arm.now.values())),
        shared=len(arm.shared),
        error=error,
        training=training,
    )


def _asked(points: Iterable[Point]) -> int:
    """Not those that the study has dropped."""
    return sum(point.state is not State.UNNEEDED for point in points)


def _with_outcome(points: Sequence[Point]) -> int:
    return sum(point.state.is_outcome for point in points)


def _fingerprints(view: StudyView, data_of: Callable[[RunRecord], str]) -> tuple[str, ...]:
    return tuple(sorted({data_of(run) for run in view.runs} - {""}))


def _have_same_images(
    then: StudyView, now: StudyView, data: tuple[tuple[str, ...], tuple[str, ...]]
) -> bool:
    """Whether nothing says that an image of one has another content in the other."""
    names = [{point.config.data.name for point in view.points} for view in (then, now)]
    return names[0] == names[1] and (not all(data) or data[0] == data[1])


def _fields(arms: Sequence[MatchedArm]) -> list[FieldChange]:
    """The fields in which matching arms differ, each once, with the arms."""
    found: dict[tuple[str, str, str], list[tuple[str, FieldChange]]] = {}
    for arm in arms:
        then, now = ([p.config for p in points.values()] for points in (arm.then, arm.now))
        for change in field_changes(then, now, leave_out=(SEED,)):
            key = change.field, repr(change.first), repr(change.second)
            found.setdefault(key, []).append((arm_label(arm.arm), change))
    changes = [
        replace(group[0][1], where=tuple(label for label, _ in group)) for group in found.values()
    ]
    return sorted(changes, key=lambda change: ORDER.index(Role(change.role)))


def arm_label(arm: Arm) -> str:
    """``b, batch, he, model.width=0.25``: an arm's name in records."""
    return ", ".join(filter(None, (arm.model, arm.norm, arm.init, arm.variant)))
