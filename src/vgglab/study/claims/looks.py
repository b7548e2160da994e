"""Which runs each look at a study is about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from vgglab.study.claims.comparisons import Comparison
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.spending import Sparing, Spending, spending
from vgglab.study.ledger import LookedAt, LookLine, claim_of_key
from vgglab.study.view import StudyView

Seeds = frozenset[int]
ROUNDING = 1e-6
"""Of what a ledger says was spent."""


def seeds_of_look(view: StudyView, look: int) -> tuple[int, ...]:
    """The first seeds of a study, ascending, as many as a declared look (from 1) has."""
    seeds = sorted({point.config.seed for point in view.points})
    return tuple(seeds[: view.looks[look - 1]])


def seeds_looked_at(view: StudyView) -> tuple[int, ...]:
    """Seeds of the last complete look; without declared looks those of the study."""
    if not view.looks:
        return tuple(sorted({point.config.seed for point in view.points}))
    return seeds_of_look(view, view.complete) if view.complete else ()


@dataclass(frozen=True)
class Looks:
    """The looks at one claim, and the rule by which they share its 5%."""

    seeds: list[Seeds | None]
    """Of each look; None of one at runs, or with a question, that are not the study's any more."""
    rule: Spending


def looks_of(view: StudyView, comparison: Comparison) -> Looks:
    """How often a claim is looked at, with which seeds.

    Declared looks are the study's. Without them every judgement that the ledger has of the claim
    was a look, and this one is another if it is of other runs (more seeds, other seeds, another
    net that is averaged over) or asks another question of them. What was spent then is spent,
    whether or not the runs are still here; also where looks were declared afterwards, or others.
    A judgement that could give no word, whatever came out, has spent nothing, declared or not.
    """
    declared = [frozenset(seeds_of_look(view, n)) for n in range(1, len(view.looks) + 1)]
    present = _judgement_of(comparison, sorted(comparison.seeds))
    earlier: list[LookedAt] = []
    spent = 0.0
    for line in view.ledger:
        for found in _judgements(line, comparison):
            is_known = any(map(found.is_same, earlier))
            if declared:
                is_known = is_known or _is_declared(view, line, found, comparison)
            elif found.is_same(present):
                is_known = True
            if not is_known and not _was_silent(found, comparison, spent):
                earlier.append(found)
            spent = max(spent, found.alpha_spent)
    repeated = [_if_repeatable(found, comparison) for found in earlier]
    now = declared or ([comparison.seeds] if comparison.seeds else [])
    still = [seeds for seeds in now if seeds not in repeated]
    speaks = [can_give_a_word(comparison, seeds) for seeds in still]
    asked = [look for look, can in zip(view.looks, speaks, strict=False) if can]
    rule = spending(() if repeated else asked)
    silent = frozenset(n for n, can in enumerate(speaks, len(repeated) + 1) if not can)
    return Looks([*repeated, *still], Sparing(rule, silent) if silent else rule)


def can_give_a_word(comparison: Comparison, seeds: Collection[int]) -> bool:
    """Whether a claim may get a word of its runs with these seeds: with one on a side no noise of
    errors is known, and without one there is nothing to compare."""
    sides = [[len(net) for net in side.nets] for side in comparison.among(seeds).sides]
    if DIRECTIONS[comparison.claim.direction].counts_runs:
        return all(map(any, sides))
    return any(min(runs) > 1 for runs in zip(*sides, strict=True))


def _was_silent(found: LookedAt, comparison: Comparison, spent: float) -> bool:
    """Whether a judgement could give no word: by its seeds or, where the ledger has it spend
    nothing either, by the sides of its runs.

    Args:
        found: in the ledger.
        comparison: as it is now.
        spent: what the judgements before it had spent.
    """
    counts_runs = DIRECTIONS[comparison.claim.direction].counts_runs
    if len(found.seeds) < (1 if counts_runs else 2):
        return True
    is_here = found.runs and found.is_same(_judgement_of(comparison, found.seeds))
    spent_more = found.alpha_spent > spent + ROUNDING
    return bool(is_here) and not spent_more and not can_give_a_word(comparison, found.seeds)


def _judgements(line: LookLine, comparison: Comparison) -> Iterator[LookedAt]:
    """What a line has of a claim: under its key, or under the one that it had before the study got
    other arms, by its runs."""
    if comparison.key in line.claims:
        yield line.claims[comparison.key]
        return
    for key, found in line.claims.items():
        is_of_claim = claim_of_key(key) == comparison.name and found.runs
        if is_of_claim and comparison.among(found.seeds).runs_hash == found.runs:
            yield found


def _judgement_of(comparison: Comparison, seeds: Sequence[int]) -> LookedAt:
    """What the ledger would have of these seeds, but for the word."""
    return LookedAt(
        seeds=tuple(seeds),
        word="",
        alpha_spent=0.0,
        runs=comparison.among(seeds).runs_hash,
        question=comparison.question,
    )


def _is_declared(view: StudyView, line: LookLine, found: LookedAt, comparison: Comparison) -> bool:
    """Whether a judgement was one of the declared looks, as they are now."""
    if line.look is None or line.look > len(view.looks):
        return False
    spent = ALPHA * spending(view.looks).spent(line.look)
    return (
        set(found.seeds) <= set(seeds_of_look(view, line.look))
        and found.alpha_spent <= spent + ROUNDING
        and found.is_same(_judgement_of(comparison, found.seeds))
    )


def _if_repeatable(found: LookedAt, comparison: Comparison) -> Seeds | None:
    seeds = frozenset(found.seeds)
    is_here = seeds <= comparison.seeds and found.is_same(_judgement_of(comparison, found.seeds))
    return seeds if is_here else None
