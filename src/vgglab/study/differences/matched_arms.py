"""Which arms of two studies are the same, and what has become of their errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vgglab.config import arm_fields
from vgglab.runs import RunRecord
from vgglab.study.arms import FACTORS, Arm, distinguishing
from vgglab.study.claims.comparisons import Comparison, claim_on_named
from vgglab.study.claims.directions import fisher
from vgglab.study.claims.mistakes import Mistakes, MistakesReader
from vgglab.study.claims.pairing import Paired, pair
from vgglab.study.claims.sides import Side
from vgglab.study.claims.tested import Point
from vgglab.study.differences.shifts import Draft, Word, draft
from vgglab.study.summary import place_in_order
from vgglab.study.view import StudyView

Points = Mapping[int, Point]
"""Seed -> point, of an arm."""
NO_PROTOCOL = ""
"""Of an arm whose runs were not tested under one protocol in both studies."""
_SAME = claim_on_named("equal", 2, 1.0, "none is asked: only the difference is taken")
"""Stands for the question in what computes the errors of a comparison."""


@dataclass(frozen=True)
class MatchedArm:
    """An arm that both studies have."""

    arm: Arm
    then: Points
    now: Points

    @property
    def shared(self) -> set[str]:
        """Ids of the runs that both studies have."""
        return shared_runs(self.then.values(), self.now.values())


def matched_arms(then: StudyView, now: StudyView) -> tuple[list[MatchedArm], list[Arm], list[Arm]]:
    """The arms of both studies, and those of the earlier and of the later one alone.

    Arms are the same where they agree in what either study tells its arms apart by: net, depth,
    norm, initialisation, and the fewest further fields. A field that is one value in each study,
    such as a precision, tells none apart: arms match across it, and it is listed as different.
    """
    told = [_told_apart(view) for view in (then, now)]
    names = tuple(dict.fromkeys([*told[0], *told[1]]))
    ours, theirs = _by_arm(then, names), _by_arm(now, names)
    both = [MatchedArm(arm, ours[arm], theirs[arm]) for arm in sorted(ours) if arm in theirs]
    only_then = sorted(arm for arm in ours if arm not in theirs)
    only_now = sorted(arm for arm in theirs if arm not in ours)
    return both, only_then, only_now


def _told_apart(view: StudyView) -> list[str]:
    return distinguishing([arm_fields(point.config) for point in view.points], FACTORS)


def _by_arm(view: StudyView, names: Sequence[str]) -> dict[Arm, dict[int, Point]]:
    found: dict[Arm, dict[int, Point]] = defaultdict(dict)
    for point in view.points:
        config, values = point.config, arm_fields(point.config)
        arm = Arm(
            model=config.model.full_name,
            norm=config.norm.name,
            init=config.init.name,
            variant=", ".join(f"{name}={values.get(name)}" for name in names),
        )
        found[arm][config.seed] = point
    return found


def shared_runs(then: Collection[Point], now: Collection[Point]) -> set[str]:
    """Ids of the runs that both have: the same id in the same folder."""
    ours, theirs = ({_where(point) for point in points} for points in (then, now))
    return {path.rpartition("/")[2] for path in ours & theirs if path}


def _where(point: Point) -> str:
    return point.directory.path.resolve().as_posix() if isinstance(point, RunRecord) else ""


class NoPairs(MistakesReader):
    """For runs whose test images are not the same: no image of one is set beside the other's."""

    def mistakes(self, run: RunRecord, protocol: str, k: int) -> Mistakes | None:
        return None


def protocols_of_both(arm: MatchedArm) -> list[str]:
    """Labels of the tests that runs of both studies were tested under; those of the one where no
    run of the other has trained."""
    labels = [
        {label for point in points.values() for label in point.result.get("errors", {})}
        for points in (arm.then, arm.now)
    ]
    found = labels[0] & labels[1] if all(labels) else labels[0] | labels[1]
    return sorted(found, key=place_in_order)


def errors_of(then: Points, now: Points, protocol: str, reader: MistakesReader) -> Paired:
    """The top-1 errors of an arm under a protocol: side 0 is now, side 1 then.

    Args:
        then: runs of the earlier study.
        now: runs of the later one.
        protocol: label of the test.
        reader: knows which test images each run got wrong.
    """
    sides = (Side({}, protocol, (now,)), Side({}, protocol, (then,)))
    return pair(Comparison("arm", _SAME, {}, ({},), sides), reader)


def fresh(points: Points, shared: Collection[str]) -> Points:
    """The runs that the other study has not. A point without an outcome is none: a look may have
    dropped its net.

    Args:
        points: of one study.
        shared: ids of the runs of both.
    """
    return {s: p for s, p in points.items() if p.id not in shared and p.state.is_outcome}


def _fresh_of(arm: MatchedArm) -> tuple[Points, Points, bool]:
    """The runs of each study that the other has not, and whether they share any."""
    shared = arm.shared
    return fresh(arm.then, shared), fresh(arm.now, shared), bool(shared)


def error_draft(arm: MatchedArm, protocol: str, reader: MistakesReader) -> Draft:
    """The shift of an arm's error, of the runs that the studies do not share.

    Args:
        arm: of both studies.
        protocol: label of the test.
        reader: knows which test images each run got wrong.
    """
    then, now, has_shared = _fresh_of(arm)
    if has_shared and not (then and now):
        return Draft(word=Word.SHARED, why="the same runs in both studies")
    if not (then and now):
        return Draft(why="no run")
    runs = (*then.values(), *now.values())
    if protocol == NO_PROTOCOL and any("errors" in run.result for run in runs):
        return Draft(why="tested otherwise")
    return draft(errors_of(then, now, protocol, reader).difference(0, 1))


def training_draft(arm: MatchedArm, protocol: str, reader: MistakesReader) -> Draft | None:
    """The shift of how many runs train (Fisher's exact test); None where all of them did.

    Args:
        arm: of both studies.
        protocol: label of the test.
        reader: knows which test images each run got wrong.
    """
    then, now, _ = _fresh_of(arm)
    if not (then and now):
        return None
    paired = errors_of(then, now, protocol, reader)
    counts = paired.runs(0), paired.runs(1)
    if not (counts[0][0] or counts[1][0]) or not (counts[0][1] and counts[1][1]):
        return None
    return Draft(p_value=min(1.0, 2 * min(fisher(*counts))))
