"""What a study that is looked at several times wants trained next."""

from __future__ import annotations

from vgglab.study.claims.comparisons import comparisons
from vgglab.study.claims.looks import seeds_of_look
from vgglab.study.claims.verdict import judge
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
