"""What a study that is looked at several times wants trained next."""

from __future__ import annotations

from vgglab.study.claims.comparisons import comparisons
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.looks import seeds_of_look
from vgglab.study.claims.power import MOST_SEEDS, seeds_to_show
from vgglab.study.claims.verdict import Judgement, judge
from vgglab.study.view import StudyView


def wanted(view: StudyView) -> list[str]:
    """Ids of the points without an outcome that the study wants trained now.

    With declared looks they are of the first look that is not complete, and of nets that a claim
    without its word needs; empty where every claim has its word, or all looks are over. It follows
    from the runs that there are, so that every restart and every host comes to the same answer.
    """
    if not view.looks:
        return [point.id for point in view.points if not point.state.is_outcome]
    asked, (judgements, _) = comparisons(view)[0], judge(view)
    for look in range(1, len(view.looks) + 1):
        seeds = seeds_of_look(view, look)
        needed = {
            point.id
            for comparison, judged in zip(asked, judgements, strict=True)
            if not judged.is_settled or judged.look >= look
            for point in comparison.points
        }
        lacking = [
            point.id
            for point in view.points
            if point.config.seed in seeds
            and not point.state.is_outcome
            and (look == 1 or point.id in needed)
        ]
        if lacking:
            return lacking
    return []


def seeds_wanted(found: Judgement, family: int, *, counts_looks: bool = True) -> int | None:
    """Seeds of each side by which a claim without its word gets one, as a plan and a report say it:
    with a chance of ``POWER``, if the truth is what has been found so far.

    They come at the last look that was declared; without declared looks at one that follows, at
    which there is as much less to spend as this one has spent.

    Args:
        found: with what is known of its noise.
        family: claims that are corrected together, of which it counts as the first.
        counts_looks: whether this judgement leaves less for the next; a table's has no ledger.

    Returns:
        None where it has its word, or its noise is not known; above ``MOST_SEEDS`` where that many
        are not enough.
    """
    effect, distance = found.evidence.effect, found.distance
    if found.is_settled or distance is None or effect is None or effect.noise is None:
        return None
    bounds = found.direction.bounds(found.margin)
    is_between = min(bounds) < effect.mean < max(bounds)
    # The end of the interval that would clear the bound, for the word that the truth would give.
    below, above = found.direction.tails(ALPHA / family, found.evidence)
    tail = above if effect.mean < min(bounds) else below
    if counts_looks:
        following = found.look + (not found.paired.waiting)
        tail = found.rule.tail_at_the_end(tail, following)
    many = seeds_to_show(effect.noise, distance, tail, bounds=2 if is_between else 1)
    # So many as there are have not been enough.
    return max(many or MOST_SEEDS + 1, effect.seeds + 1)


def shown_seeds(wanted: int) -> str:
    """``some 12``, ``more than 200``."""
    return f"more than {MOST_SEEDS}" if wanted > MOST_SEEDS else f"some {wanted}"
