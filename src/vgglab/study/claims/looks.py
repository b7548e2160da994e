"""Which runs each look at a study is about."""

from __future__ import annotations

from collections.abc import Collection

from vgglab.study.claims.comparisons import Comparison
from vgglab.study.view import StudyView

Seeds = frozenset[int]


def seeds_of_look(view: StudyView, look: int) -> tuple[int, ...]:
    """The first seeds of a study, ascending, as many as a declared look (from 1) has."""
    seeds = sorted({point.config.seed for point in view.points})
    return tuple(seeds[: view.looks[look - 1]])


def looks_of(view: StudyView, comparison: Comparison) -> list[Seeds]:
    """The seeds of a claim at each look.

    Declared looks are the study's. Without them every judgement that the ledger has of the claim
    was a look, and this one is another if it has seeds that those had not.
    """
    if view.looks:
        return [frozenset(seeds_of_look(view, look)) for look in range(1, len(view.looks) + 1)]
    return _with_present(
        [frozenset(line.seeds_of.get(comparison.key, ())) for line in view.ledger],
        comparison.seeds,
    )


def _with_present(earlier: Collection[Seeds], present: Seeds) -> list[Seeds]:
    found: list[Seeds] = []
    for seeds in (*(s for s in earlier if s <= present), present):
        if seeds and seeds not in found:
            found.append(seeds)
    return found
