"""Looks at a study: which seeds each of them has, and what it wants trained now."""

from __future__ import annotations

from dataclasses import replace

from vgglab.study.claims.comparisons import Comparison
from vgglab.study.claims.verdict import Verdict, judge
from vgglab.study.view import StudyView


def seeds_of_look(view: StudyView, look: int) -> tuple[int, ...]:
    """The first seeds of a study, as many as a look declares; looks are numbered from 1."""
    seeds = sorted({point.config.seed for point in view.points})
    return tuple(seeds[: view.looks[look - 1]])


def wanted(view: StudyView) -> list[str]:
    """Ids of the points without an outcome that the study wants trained now.

    With declared looks they are of the first look that is not complete, and of nets that a claim
    without its word needs; empty where every claim has its word, or all looks are over.
    """
    if not view.looks:
        return [point.id for point in view.points if not point.state.is_outcome]
    settled: set[str] = set()
    for look in range(1, len(view.looks) + 1):
        part = _with_seeds(view, seeds_of_look(view, look))
        judgements, _ = judge(part)
        still_open = [j for j in judgements if _key(j.comparison) not in settled]
        needed = {p.id for j in still_open for p in j.comparison.points}
        lacking = [
            p.id for p in part.points if not p.state.is_outcome and (look == 1 or p.id in needed)
        ]
        if lacking:
            return lacking
        settled |= {_key(j.comparison) for j in still_open if j.verdict != Verdict.INCONCLUSIVE}
        if all(_key(j.comparison) in settled for j in judgements):
            return []
    return []


def _with_seeds(view: StudyView, seeds: tuple[int, ...]) -> StudyView:
    return replace(
        view,
        runs=[run for run in view.runs if run.config.seed in seeds],
        missing=[point for point in view.missing if point.config.seed in seeds],
        looks=(),
    )


def _key(comparison: Comparison) -> str:
    return repr((comparison.name, sorted(comparison.setting.items())))
