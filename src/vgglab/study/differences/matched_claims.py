"""Which claims both studies were asked, and whether their differences have shifted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vgglab.study.claims.comparisons import Comparison
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.pairing import pair
from vgglab.study.claims.verdict import Judgement
from vgglab.study.differences.matched_arms import shared_runs
from vgglab.study.differences.shifts import Draft, Word, draft


@dataclass(frozen=True)
class MatchedClaim:
    """A comparison that a claim makes in both studies."""

    then: Judgement
    now: Judgement

    @property
    def is_asked_alike(self) -> bool:
        """Whether the claim says the same in both: sides, direction, margin, error."""
        ours, theirs = (j.comparison.claim for j in (self.then, self.now))
        return (ours.compare, ours.direction, ours.metric, ours.margin, ours.margin_share) == (
            theirs.compare, theirs.direction, theirs.metric, theirs.margin, theirs.margin_share,
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
    if shared and shared == {p.id for p in (*then.points, *now.points) if p.state.is_outcome}:
        return Draft(word=Word.SHARED, why="the same runs in both studies")
    shifts = _shifts(claim, reader)
    if shifts is None:
        return Draft(why="no difference of errors")
    drafts = [draft(shift, len(shifts)) for shift in shifts]
    tested = [d for d in drafts if d.p_value is not None]
    return min(tested, key=lambda d: d.p_value or 0.0) if tested else drafts[0]


def _shifts(claim: MatchedClaim, reader: MistakesReader) -> list[Measured | None] | None:
    then, now = claim.then, claim.now
    if then.paired.places != now.paired.places:
        return None
    contrasts = now.direction.contrasts(now.paired.places)
    averaged = [values for values in then.comparison.averaged if values in now.comparison.averaged]
    if not contrasts or not averaged:
        return None
    sides = [
        replace(side, nets=tuple(side.nets[of.averaged.index(values)] for values in averaged))
        for of in (now.comparison, then.comparison)
        for side in of.sides
    ]
    paired = pair(
        Comparison(now.comparison.name, now.comparison.claim, {}, tuple(averaged), tuple(sides)),
        reader,
    )
    return [paired.contrast((*weights, *(-w for w in weights))) for weights in contrasts]
