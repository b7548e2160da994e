"""What a study with looks wants trained, when it ends, and what its ledger says."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import study_points
from study_points import missing, net

from vgglab.config.claims import parse_claims
from vgglab.runs import RunRecord, State
from vgglab.study import MissingPoint, StudyView
from vgglab.study.claims.comparisons import comparisons
from vgglab.study.claims.looks import seeds_of_look
from vgglab.study.claims.verdict import judge
from vgglab.study.claims.wanted import wanted
from vgglab.study.ledger import lines_to_add, look_line, plain_line
from vgglab.study.looking import (
    as_of,
    look_lines,
    runs_seen,
    runs_used,
    seeds_looked_at,
    with_looks,
)

LOOKS = (2, 3, 5)
CLAIMS = parse_claims(
    {
        name: {
            "statement": name,
            "direction": "lower",
            "compare": [{"model.name": sides[0]}, {"model.name": sides[1]}],
        }
        for name, sides in {"clear": "ba", "same": "dc"}.items()
    }
)
ERRORS = {"a": 9.0, "b": 6.0, "c": 5.0, "d": 5.0}
"""B is far below A; C and D differ by their seeds alone."""


def study(seeds: dict[str, int], **fields: Any) -> StudyView:
    """The study with so many seeds of each net trained, of the five asked for."""
    points: list[RunRecord | MissingPoint] = []
    for model, error in ERRORS.items():
        trained = seeds.get(model, 0)
        points += net(model, error, seeds=trained)
        points += [missing(model, seed) for seed in range(trained, 5)]
    view = study_points.view(*points, claims=CLAIMS)
    return dataclasses.replace(view, looks=LOOKS, **fields)


def everywhere(seeds: int) -> dict[str, int]:
    return dict.fromkeys(ERRORS, seeds)


def names(view: StudyView) -> list[str]:
    """Net and seed of each point that is wanted."""
    points = {point.id: point for point in view.points}
    return sorted(
        f"{p.config.model.name}{p.config.seed}" for p in map(points.get, wanted(view)) if p
    )


def test_the_first_look_wants_its_seeds_of_every_net() -> None:
    view = study({})
    assert seeds_of_look(view, 1) == (0, 1)
    assert names(view) == ["a0", "a1", "b0", "b1", "c0", "c1", "d0", "d1"]
    assert with_looks(view).complete == 0
    assert all(point.state is State.PENDING for point in with_looks(view).missing)


def test_a_look_is_not_over_while_a_point_has_no_outcome() -> None:
    view = study(everywhere(2) | {"d": 1})
    assert names(view) == ["d1"]
    assert with_looks(view).complete == 0
    assert look_lines(with_looks(view), 1.0) == []


def test_nets_whose_claims_have_their_word_are_dropped() -> None:
    view = study(everywhere(2))
    assert names(view) == ["c2", "d2"]
    found = with_looks(view)
    assert found.complete == 1
    unneeded = {f"{p.config.model.name}{p.config.seed}" for p in found.missing if not p.is_needed}
    assert unneeded == {"a2", "b2"}  # a later look has not been reached: its points are pending
    assert {str(p.state) for p in found.missing if not p.is_needed} == {"not needed"}


def test_without_an_open_claim_the_study_is_over_and_the_rest_is_not_needed() -> None:
    claims = {"clear": CLAIMS["clear"]}
    view = with_looks(dataclasses.replace(study(everywhere(2)), claims=claims))
    assert wanted(view) == []
    assert view.complete == 1
    assert {point.state for point in view.missing} == {State.UNNEEDED}
    assert runs_used(view) == (8, 20)


def test_the_last_look_ends_it() -> None:
    view = with_looks(study({"a": 2, "b": 2, "c": 5, "d": 5}))
    assert wanted(view) == []
    assert (view.complete, seeds_looked_at(view)) == (3, (0, 1, 2, 3, 4))
    assert runs_used(view) == (14, 20)


def test_runs_that_came_without_the_study_do_not_move_its_looks() -> None:
    """Another study may have trained more seeds: each look is judged as it would have been."""
    view = with_looks(study(everywhere(5)))
    assert view.complete == 3
    first, second, third = look_lines(view, 1.0)
    assert [line.seeds for line in (first, second, third)] == [(0, 1), (0, 1, 2), (0, 1, 2, 3, 4)]
    assert first.claims["clear"].seeds == (0, 1)
    assert (first.runs, third.runs) == (8, 20)
    assert len(as_of(view, 1).missing) == 12


def test_a_line_has_the_words_of_its_own_look() -> None:
    first, *_ = look_lines(with_looks(study(everywhere(5))), 1.0)
    assert {name: claim.word for name, claim in first.claims.items()} == {
        "clear": "supported",
        "same": "inconclusive",
    }


def test_the_same_look_adds_no_second_line() -> None:
    line = look_lines(with_looks(study(everywhere(2))), 1.0)[0]
    again = dataclasses.replace(line, time=2.0, minutes=0.0)
    assert lines_to_add([], [line, again]) == [line]
    assert lines_to_add([line], [again]) == []
    other = dataclasses.replace(line, claims={})
    assert lines_to_add([line], [other]) == [other]
    assert look_line(json.loads(json.dumps(plain_line(line)))) == line


def test_a_study_without_looks_is_looked_at_once_it_is_complete() -> None:
    undeclared = dataclasses.replace(study(everywhere(4)), looks=())
    assert look_lines(undeclared, 1.0) == []
    complete = dataclasses.replace(undeclared, missing=())
    (line,) = look_lines(complete, 1.0)
    assert (line.look, line.seeds, line.runs) == (None, (0, 1, 2, 3), 16)


def test_runs_that_a_declaration_came_after() -> None:
    assert runs_seen(study({"a": 2, "b": 1})) == {"clear": (3, 10), "same": (0, 10)}


def test_an_error_that_no_run_has_keeps_no_other_claim_from_its_word() -> None:
    """Its runs counted as to come, in every look, and no look was ever judged."""
    top5 = {"statement": "x", "direction": "lower", "metric": "top5_error"}
    sides = [{"model.name": "d"}, {"model.name": "c"}]
    claims = CLAIMS | parse_claims({"top5": top5 | {"compare": sides}})
    view = study(everywhere(2), claims=claims)
    (without,) = comparisons(view)[1]
    assert (without.name, "do not all have a top-5 error" in without.why) == ("top5", True)
    words = {claim.comparison.name: str(claim.verdict) for claim in judge(view)[0]}
    assert words == {"clear": "supported", "same": "inconclusive"}
