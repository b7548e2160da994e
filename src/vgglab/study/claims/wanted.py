"""What a study that is looked at several times wants trained next."""

from __future__ import annotations

from collections.abc import Sequence

from vgglab.study.claims.comparisons import comparisons
from vgglab.study.claims.evidence import Limit
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.looks import seeds_of_look
from vgglab.study.claims.power import MOST_SEEDS, Part, seeds_to_show, seeds_to_show_all
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
    # The ends of the interval that would clear a bound, for the word that the truth would give.
    tails = found.direction.tails(ALPHA / family, found.evidence)
    if counts_looks:
        following = found.look + (not found.paired.waiting)
        below, above = (found.rule.tail_at_the_end(tail, following) for tail in tails)
    else:
        below, above = tails
    if limits := found.direction.limits(found.paired.places, found.margin):
        many = _of_parts(found, limits, below, above)
    else:
        bounds = found.direction.bounds(found.margin)
        is_between = min(bounds) < effect.mean < max(bounds)
        tail = above if effect.mean < min(bounds) else below
        many = seeds_to_show(effect.noise, distance, tail, bounds=2 if is_between else 1)
    # So many as there are have not been enough.
    return max(many or MOST_SEEDS + 1, effect.seeds + 1)


def _of_parts(found: Judgement, limits: Sequence[Limit], below: float, above: float) -> int | None:
    """Seeds that show every part; where parts lie beyond their limits, those that show the first
    of these to do so.

    Args:
        found: a judgement of a claim of several parts.
        limits: of them.
        below: level of a test that a part lies above its limit.
        above: level of a test that it lies below.
    """
    parts = []
    for part, limit in zip(found.direction.limited(found.evidence), limits, strict=True):
        if part.noise is None:
            return None
        parts.append(Part(part.noise, limit.value - part.mean))
    if all(part.distance > 0 for part in parts):
        return seeds_to_show_all(parts, above)
    against = [seeds_to_show(p.noise, -p.distance, below) for p in parts if p.distance < 0]
    return min((seeds for seeds in against if seeds is not None), default=None)


def shown_seeds(wanted: int) -> str:
    """``some 12``, ``more than 200``."""
    return f"more than {MOST_SEEDS}" if wanted > MOST_SEEDS else f"some {wanted}"
