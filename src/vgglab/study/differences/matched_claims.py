"""Which claims both studies were asked, and whether their differences have shifted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vgglab.study.claims.comparisons import Comparison
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.pairing import pair
from vgglab.study.claims.sides import Side
from vgglab.study.claims.verdict import Judgement
from vgglab.study.differences.matched_arms import fresh, shared_runs
from vgglab.study.differences.shifts import Draft, Word, draft


@dataclass(frozen=True)
class MatchedClaim:
    """A comparison that a claim makes in both studies."""

    then: Judgement
    now: Judgement

    @property
    def is_asked_alike(self) -> bool:
        """Whether the claim asks the same in both, of nets that are tested in the same way."""
        return _asked(self.then.comparison) == _asked(self.now.comparison)


def _asked(comparison: Comparison) -> tuple[object, ...]:
    claim = comparison.claim
    tests = [side.protocol for side in comparison.sides]
    return (
        claim.compare, claim.direction, claim.metric, claim.margin, claim.margin_share,
        sorted(claim.average_over), tests,
    )  # fmt: skip


def matched_claims(
    then: Sequence[Judgement], now: Sequence[Judgement]
) -> tuple[list[MatchedClaim], list[str], list[str]]:
    """The comparisons of both studies, and the keys of those of one alone.

    They match by the claim's name and its setting; by the name alone where each study has one.
    """
    ours, theirs = ({_key(j, group): j for j in group} for group in (then, now))
    both = [
        MatchedClaim(judgement, theirs[key]) for key, judgement in ours.items() if key in theirs
    ]
    return (
        both,
        [key for key in ours if key not in theirs],
        [key for key in theirs if key not in ours],
    )


def _key(judgement: Judgement, group: Sequence[Judgement]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for each in group:
        counts[each.comparison.name] += 1
    comparison = judgement.comparison
    return comparison.key if counts[comparison.name] > 1 else comparison.name


def claim_draft(claim: MatchedClaim, reader: MistakesReader) -> Draft:
    """The shift of a claim's difference: what it is now less what it was then.

    Where the claim is the least of several differences each of them is tested, for the least one
    then is picked by its noise; the most shifted is shown, corrected for their number.

    Args:
        claim: of both studies.
        reader: knows which test images each run got wrong.
    """
    then, now = claim.then.comparison, claim.now.comparison
    if not claim.is_asked_alike:
        return Draft(why="asked otherwise")
    shared = shared_runs(then.points, now.points)
    is_shared = Draft(word=Word.SHARED, why="the same runs in both studies")
    if shared and shared == {p.id for p in (*then.points, *now.points) if p.state.is_outcome}:
        return is_shared
    sides = _sides(claim, shared)
    if sides is None:
        return Draft(why="no difference of errors")
    if shared and not all(any(side.nets) for side in sides):
        return is_shared  # of one study: the other has some beside them
    shifts = _shifts(claim, sides, reader)
    drafts = [draft(shift, len(shifts)) for shift in shifts]
    tested = [d for d in drafts if d.p_value is not None]
    return min(tested, key=lambda d: d.p_value or 0.0) if tested else drafts[0]


def _sides(claim: MatchedClaim, shared: Collection[str]) -> list[Side] | None:
    """The sides of now and of then, with the runs that the studies do not share; one of which they
    share all runs has these, for its error is the same. None where there is no difference of errors
    to compare."""
    then, now = claim.then, claim.now
    averaged = [values for values in then.comparison.averaged if values in now.comparison.averaged]
    has_contrasts = bool(now.direction.contrasts(now.paired.places))
    if then.paired.places != now.paired.places or not (has_contrasts and averaged):
        return None
    whole = [
        [
            replace(side, nets=tuple(side.nets[of.averaged.index(v)] for v in averaged))
            for side in of.sides
        ]
        for of in (now.comparison, then.comparison)
    ]
    own = [
        [replace(s, nets=tuple(fresh(net, shared) for net in s.nets)) for s in of] for of in whole
    ]
    for place in range(len(now.comparison.sides)):
        if not any(any(of[place].nets) for of in own):
            for sides, of in zip(own, whole, strict=True):
                sides[place] = of[place]
    return [side for of in own for side in of]


def _shifts(
    claim: MatchedClaim, sides: Sequence[Side], reader: MistakesReader
) -> list[Measured | None]:
    asked = claim.now
    nets: tuple[Mapping[str, Any], ...] = tuple({} for _ in sides[0].nets)
    paired = pair(
        Comparison(asked.comparison.name, asked.comparison.claim, {}, nets, tuple(sides)), reader
    )
    contrasts = asked.direction.contrasts(asked.paired.places)
    return [paired.contrast((*weights, *(-w for w in weights))) for weights in contrasts]
