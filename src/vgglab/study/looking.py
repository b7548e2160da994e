"""How far the looks at a study have come, and the points that it can do without."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from vgglab.runs.status import wall_minutes
from vgglab.study.claims.comparisons import comparisons
from vgglab.study.claims.looks import can_give_a_word, seeds_looked_at, seeds_of_look
from vgglab.study.claims.record import claims_record
from vgglab.study.claims.tested import Point
from vgglab.study.claims.wanted import wanted
from vgglab.study.ledger import LookedAt, LookLine, claim_key
from vgglab.study.placebo import null_looked_at
from vgglab.study.view import MissingPoint, StudyView


def as_of(view: StudyView, look: int) -> StudyView:
    """The study as it was at a look: seeds that came later have not been trained yet."""
    seeds = seeds_of_look(view, look)
    later = [run for run in view.runs if run.config.seed not in seeds]
    return replace(
        view,
        runs=[run for run in view.runs if run.config.seed in seeds],
        missing=[*view.missing, *(MissingPoint(run.id, run.config) for run in later)],
    )


def with_looks(view: StudyView) -> StudyView:
    """The same study with its complete looks counted and its unneeded points marked.

    A point without an outcome is not needed when its look is complete, or when the study is over:
    the claims that its net is part of have their word.
    """
    if not view.looks:
        return view
    complete = _complete(view)
    coming = wanted(view)
    over = not coming
    reached = seeds_of_look(view, min(complete + (not over), len(view.looks)))
    missing = [
        replace(point, is_needed=point.id in coming or not (over or point.config.seed in reached))
        for point in view.missing
    ]
    return replace(view, complete=complete, missing=missing)


def _complete(view: StudyView) -> int:
    """Looks of which every point that was needed has an outcome; none is begun after the last."""
    seed_of = {point.id: point.config.seed for point in view.points}
    for look in range(1, len(view.looks) + 1):
        coming = wanted(as_of(view, look))
        if not coming:
            return look
        seeds = seeds_of_look(view, look)
        if any(seed_of[point] in seeds for point in coming):
            return look - 1
    return len(view.looks)


def runs_used(view: StudyView) -> tuple[int, int]:
    """Runs with an outcome within the complete looks, and the runs of the last look."""
    last = seeds_of_look(view, len(view.looks)) if view.looks else seeds_looked_at(view)
    used = [p for p in view.points if p.state.is_outcome and p.config.seed in seeds_looked_at(view)]
    return len(used), sum(point.config.seed in last for point in view.points)


def minutes_by_look(view: StudyView) -> list[float]:
    """Wall clock in which the seeds of each complete look were trained, minutes.

    The union of the times of their attempts since the study was first declared, wherever they ran:
    runs that it shares with an earlier study have cost it nothing. Runs that its points start from
    are not counted. A study without looks has one.
    """
    since = view.declared[0].time if view.declared else 0.0
    looks = range(1, view.complete + 1)
    seeds = [set(seeds_of_look(view, n)) for n in looks] or [set(seeds_looked_at(view))]
    found = []
    for before, upto in pairwise([set(), *seeds]):
        own = upto - before
        runs = [run for run in view.runs if run.config.seed in own]
        found.append(wall_minutes([run.status for run in runs], since))
    return found


def look_lines(view: StudyView, now: float) -> list[LookLine]:
    """A ledger line for each complete look.

    Args:
        view: the study, from ``with_looks``.
        now: seconds since the epoch.

    Returns:
        The lines in the order of the looks; of a study without looks one with the claims whose runs
        all have an outcome: with their words on a page they have been looked at.
    """
    minutes = minutes_by_look(view)
    if view.looks:
        parts = [(n, replace(as_of(view, n), complete=n)) for n in range(1, view.complete + 1)]
        return [_line(part, n, minutes[n - 1], now) for n, part in parts]
    line = _line(view, None, minutes[0], now)
    is_over = all(point.state.is_outcome for point in view.points)
    return [line] if is_over or line.claims else []


def _line(view: StudyView, look: int | None, minutes: float, now: float) -> LookLine:
    claims: dict[str, LookedAt] = {}
    asked = {comparison.key: comparison for comparison in comparisons(view)[0]}
    for record in claims_record(view)["claims"]:
        key, seeds = claim_key(record["claim"], record["setting"]), tuple(record["seeds"]["used"])
        may_speak = not record["seeds"]["waiting"] and can_give_a_word(asked[key], seeds)
        if look is None and not may_speak:
            continue
        claims[key] = LookedAt(
            seeds=seeds,
            word=record["verdict"],
            alpha_spent=record["alpha_spent"],
            runs=asked[key].among(seeds).runs_hash,
            question=asked[key].question,
        )
    return LookLine(
        time=now,
        look=look,
        seeds=seeds_looked_at(view),
        claims=claims,
        null=null_looked_at(view),
        minutes=round(minutes, 2),
        runs=sum(point.state.is_outcome for point in view.points),
    )


def runs_seen(view: StudyView) -> dict[str, tuple[int, int]]:
    """Claim -> how many of the runs that it compares have an outcome, and how many there are."""
    points: dict[str, dict[str, Point]] = {name: {} for name in view.claims}
    for comparison in comparisons(view)[0]:
        points[comparison.name] |= {point.id: point for point in comparison.points}
    return {
        name: (sum(p.state.is_outcome for p in found.values()), len(found))
        for name, found in points.items()
    }
