"""Which runs each look at a study is about."""

from __future__ import annotations

from vgglab.study.claims.comparisons import Comparison
from vgglab.study.ledger import LookedAt
from vgglab.study.view import StudyView

Seeds = frozenset[int]


def seeds_of_look(view: StudyView, look: int) -> tuple[int, ...]:
    """The first seeds of a study, ascending, as many as a declared look (from 1) has."""
    seeds = sorted({point.config.seed for point in view.points})
    return tuple(seeds[: view.looks[look - 1]])


def looks_of(view: StudyView, comparison: Comparison) -> list[Seeds | None]:
    """The seeds of a claim at each look; None of one at runs that are not the study's any more.

    Declared looks are the study's. Without them every judgement that the ledger has of the claim
    was a look, and this one is another if it is of other runs: more seeds, other seeds, or another
    net that is averaged over. What was spent then is spent, whether or not the runs are still here.
    """
    if view.looks:
        return [frozenset(seeds_of_look(view, look)) for look in range(1, len(view.looks) + 1)]
    present = LookedAt(
        seeds=tuple(sorted(comparison.seeds)), word="", alpha_spent=0.0, runs=comparison.runs_hash
    )
    earlier: list[LookedAt] = []
    for line in view.ledger:
        found = line.claims.get(comparison.key)
        if found and found.seeds and not any(map(found.is_same, (*earlier, present))):
            earlier.append(found)
    repeated = [_if_repeatable(found, comparison) for found in earlier]
    return [*repeated, *([comparison.seeds] if comparison.seeds else [])]


def _if_repeatable(found: LookedAt, comparison: Comparison) -> Seeds | None:
    seeds = frozenset(found.seeds)
    is_here = seeds <= comparison.seeds
    if found.runs:
        is_here = is_here and comparison.among(seeds).runs_hash == found.runs
    return seeds if is_here else None
