"""What a study with looks wants trained, when it ends, and what its ledger says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import study_points
from study_points import missing, net

from vgglab.config.claims import parse_claims
from vgglab.runs import RunDirectory, RunRecord, State
from vgglab.study import MissingPoint, StudyView
from vgglab.study.claims.comparisons import comparisons
from vgglab.study.claims.looks import seeds_looked_at, seeds_of_look
from vgglab.study.claims.verdict import Judgement, judge
from vgglab.study.claims.wanted import wanted
from vgglab.study.ledger import LookLine, lines_to_add, look_line, plain_line
from vgglab.study.looking import (
    as_of,
    look_lines,
    runs_seen,
    runs_used,
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


def reported(view: StudyView) -> tuple[StudyView, dict[str, tuple[str, int]]]:
    """The study without declared looks after a report: its ledger, and each word with its look."""
    view = dataclasses.replace(view, looks=())
    words = {j.comparison.name: (str(j.verdict), j.look) for j in judge(view)[0]}
    ledger = list(view.ledger)
    ledger += lines_to_add(ledger, look_lines(view, 1.0))
    return dataclasses.replace(view, ledger=ledger), words


def test_a_claim_is_looked_at_also_while_another_net_has_no_outcome() -> None:
    """Seed after seed was added until there was a word, at the price of one look."""
    ledger: Sequence[LookLine] = ()
    for number, seeds in enumerate((2, 3, 4, 5), 1):
        points = [p for m in "cd" for p in net(m, ERRORS[m], seeds=seeds)]
        points += [p for m in "ab" for p in net(m, ERRORS[m], seeds=seeds - 1)]
        failed = [missing(m, seeds - 1) for m in "ab"]
        view = study_points.view(*points, *failed, claims=CLAIMS)
        view, words = reported(dataclasses.replace(view, ledger=ledger))
        ledger = view.ledger
        assert len(ledger) == number
        assert ledger[-1].claims.keys() == {"same"}
        assert words["same"] == ("inconclusive", number)
    shares = [line.claims["same"].alpha_spent / 0.05 for line in ledger]
    assert shares == pytest.approx([0.8, 0.9, 0.95, 0.975])
    assert reported(view)[0].ledger == ledger  # the same runs again are no other look


def test_seeds_that_are_replaced_have_been_looked_at() -> None:
    ledger: Sequence[LookLine] = ()
    for number, first in enumerate((0, 10, 20), 1):
        points = [
            dataclasses.replace(p, config=dataclasses.replace(p.config, seed=p.config.seed + first))
            for m in "cd"
            for p in net(m, ERRORS[m], seeds=3)
        ]
        points = [
            dataclasses.replace(p, directory=RunDirectory(Path(f"{p.id}-{first}"))) for p in points
        ]
        view = study_points.view(*points, claims={"same": CLAIMS["same"]})
        view, words = reported(dataclasses.replace(view, ledger=ledger))
        ledger = view.ledger
        assert words == {"same": ("inconclusive", number)}
    shares = [line.claims["same"].alpha_spent / 0.05 for line in ledger]
    assert shares == pytest.approx([0.8, 0.9, 0.95])


def test_another_net_that_is_averaged_over_is_another_look() -> None:
    sides = [{"norm.name": "batch"}, {"norm.name": "none"}]
    tree = {"statement": "x", "direction": "lower", "compare": sides}
    claims = parse_claims({"norm": tree | {"average_over": ["model.name"]}})
    points = [p for m in "ab" for n in ("batch", "none") for p in net(m, 9.0, norm=n)]
    view, words = reported(study_points.view(*points, claims=claims))
    assert words["norm"][1] == 1
    points += [p for n in ("batch", "none") for p in net("c", 9.0, norm=n)]
    more = study_points.view(*points, claims=claims)
    assert reported(dataclasses.replace(more, ledger=view.ledger))[1]["norm"][1] == 2


def test_a_ledger_of_an_earlier_version_counts_as_it_did() -> None:
    view, _ = reported(study(everywhere(5)))
    plain = [plain_line(line) for line in view.ledger]
    for claim in plain[0]["claims"].values():
        del claim["runs"]
    known = [look_line(line) for line in json.loads(json.dumps(plain))]
    again, words = reported(dataclasses.replace(view, ledger=known))
    assert again.ledger == known
    assert {look for _, look in words.values()} == {1}


def one_claim(norms: Sequence[str] = ("batch",), seeds: int = 5, **claim: Any) -> StudyView:
    """A claim on C and D alone, which have the same error."""
    tree = {"statement": "x", "direction": "lower"} | claim
    sides = [{"model.name": "d"}, {"model.name": "c"}]
    points = [p for m in "cd" for n in norms for p in net(m, 9.0, seeds=seeds, norm=n)]
    return study_points.view(*points, claims=parse_claims({"mine": tree | {"compare": sides}}))


def after(view: StudyView, *earlier: StudyView, looks: Sequence[int] = ()) -> list[Judgement]:
    """The judgements of a study that was reported on as each of these before."""
    ledger: Sequence[LookLine] = ()
    for one in earlier:
        ledger = reported(dataclasses.replace(one, ledger=ledger))[0].ledger
    return judge(dataclasses.replace(view, ledger=ledger, looks=tuple(looks)))[0]


def test_looks_that_are_declared_afterwards_give_back_nothing_that_was_spent() -> None:
    before = [one_claim(seeds=n) for n in (3, 4)]
    (found,) = after(one_claim(), *before, looks=[5])
    assert found.look == 3
    assert found.spent == pytest.approx(0.95)
    (first,) = after(one_claim(), looks=[5])
    assert (first.look, first.spent) == (1, 1.0)


@pytest.mark.parametrize("looks", [(), (5,)])
def test_one_seed_which_gives_no_word_has_spent_nothing(looks: tuple[int, ...]) -> None:
    (found,) = after(one_claim(), one_claim(seeds=1), looks=looks)
    (alone,) = after(one_claim(), looks=looks)
    assert (found.look, found.spent) == (alone.look, alone.spent)
    assert not reported(one_claim(seeds=1))[0].ledger[0].claims
    # Also where an earlier version has entered it.
    (line,) = reported(one_claim(seeds=2))[0].ledger
    of_one = {key: dataclasses.replace(c, seeds=(0,)) for key, c in line.claims.items()}
    view = dataclasses.replace(one_claim(), ledger=[dataclasses.replace(line, claims=of_one)])
    assert judge(dataclasses.replace(view, looks=looks))[0][0].look == 1
    (shares,) = after(one_claim(direction="trains"), one_claim(direction="trains", seeds=1))
    assert shares.look == 2  # which runs train is told of each


@pytest.mark.parametrize("counts_runs", [False, True])
def test_a_declared_look_at_one_seed_of_a_claim_spends_nothing(*, counts_runs: bool) -> None:
    """The study's other nets have two seeds at it: this claim's had one, and a fifth of its 5%."""
    direction = "trains" if counts_runs else "lower"
    late = one_claim(direction=direction)
    own = [run for run in late.runs if run.config.seed > 0]
    claims = {**late.claims, "clear": CLAIMS["clear"]}
    points = [*own, *(p for m in "ab" for p in net(m, ERRORS[m], seeds=5))]
    view = study_points.view(*points, claims=claims)
    lines = look_lines(with_looks(dataclasses.replace(view, looks=LOOKS)), 1.0)
    spent = [line.claims["mine"].alpha_spent / 0.05 for line in lines]
    assert spent == pytest.approx([0.4 if counts_runs else 0.0, 0.6, 1.0], abs=1e-5)
    # With its first look goes nothing of the level of those that follow.
    found = judge(dataclasses.replace(view, looks=LOOKS))[0][0]
    without = judge(dataclasses.replace(view, looks=LOOKS[1:]))[0][0]
    assert (found.look, without.look) == (3, 2)
    assert (found.tail == without.tail) is not counts_runs
    assert (found.p_value == without.p_value) or counts_runs
    # A line of an earlier version, at which it was spent, is still the declared look.
    as_it_was = dataclasses.replace(lines[0].claims["mine"], alpha_spent=0.4 * 0.05)
    ledger = [dataclasses.replace(lines[0], claims={**lines[0].claims, "mine": as_it_was})]
    again = judge(dataclasses.replace(view, looks=LOOKS, ledger=ledger))[0][0]
    assert (again.look, again.spent, again.tail) == (found.look, found.spent, found.tail)


def test_more_looks_than_were_declared_begin_no_new_five_percent() -> None:
    view = dataclasses.replace(one_claim(seeds=3), looks=(2, 3))
    lines = look_lines(with_looks(view), 1.0)
    assert [line.look for line in lines] == [1, 2]
    for looks, number, spent in (((2, 3), 2, 1.0), ((2, 3, 5), 3, 0.95)):
        more = dataclasses.replace(one_claim(), looks=looks, ledger=lines)
        (found,) = judge(more)[0]
        assert found.look == number, looks
        assert found.spent == pytest.approx(spent), looks


def test_another_arm_in_the_study_hides_no_look() -> None:
    both = one_claim(norms=("batch", "none"))
    found = {str(j.comparison.setting): j.look for j in after(both, one_claim())}
    assert found == {"{'norm.name': 'batch'}": 1, "{'norm.name': 'none'}": 1}
    found = {str(j.comparison.setting): j.look for j in after(both, one_claim(seeds=4))}
    assert found == {"{'norm.name': 'batch'}": 2, "{'norm.name': 'none'}": 1}


@pytest.mark.parametrize(
    "change", [{"margin": 0.5, "margin_reason": "x"}, {"metric": "top5_error"}]
)
def test_another_question_of_the_same_runs_is_another_look(change: dict[str, Any]) -> None:
    def asked(**claim: Any) -> StudyView:
        view = one_claim(**claim)
        for run in view.runs:
            run.result["errors"]["center"]["top5_error"] = 1.0
        return view

    (found,) = after(asked(**{"direction": "no_better"} | change), asked(direction="no_better"))
    assert found.look == 2
    (again,) = after(asked(**change), asked(**change))
    assert again.look == 1


def test_a_test_that_is_made_later_is_another_look_or_none() -> None:
    view = one_claim(protocol=["dense", "center"])
    scaled = one_claim(protocol=["dense", "center"])
    for run in scaled.runs:
        run.result["errors"]["dense"] = run.result["errors"]["center"]
    (found,) = after(scaled, view)
    assert (found.comparison.sides[0].protocol, found.look) == ("dense", 2)
    # Of several tests of one protocol that which the runs ask for counts, whatever else is made.
    for run in view.runs:
        run.result["errors"]["center-16"] = run.result["errors"]["center"]
    (found,) = after(view)
    assert found.comparison.sides[0].protocol == "center"
