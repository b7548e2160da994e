from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from study_points import missing, net, run, view

from vgglab.config.claims import Claim, parse_claims
from vgglab.runs import RunDirectory, State, Status
from vgglab.study import arms, claims_record, summarise
from vgglab.study.claims.comparisons import Comparison, comparisons, matches
from vgglab.study.ledger import claim_key
from vgglab.study.looking import look_lines


def claim(*sides: dict[str, Any], **fields: Any) -> dict[str, Claim]:
    tree = {"statement": "x", "direction": "lower", "compare": list(sides)} | fields
    return parse_claims({"mine": tree})


C_B = claim({"model.name": "c"}, {"model.name": "b"})


def compared(*points: Any, claims: dict[str, Claim] = C_B) -> list[Comparison]:
    return comparisons(view(*points, claims=claims))[0]


def why(*points: Any, claims: dict[str, Claim] = C_B) -> str:
    found, unanswered = comparisons(view(*points, claims=claims))
    assert found == []
    return unanswered[0].why


def test_all_else_equal() -> None:
    """A comparison a setting that has both sides; C at another rate compares with nothing."""
    points = [run(m, s, 5.0, norm=n) for m in "bc" for s in (0, 1) for n in ("none", "batch")]
    asked = compared(*points, run("c", 0, 5.0, learning_rate=0.1, width=0.5))
    assert [dict(q.setting) for q in asked] == [{"norm.name": "batch"}, {"norm.name": "none"}]
    for comparison in asked:
        assert [sorted(net) for side in comparison.sides for net in side.nets] == [[0, 1], [0, 1]]


def test_what_differs_in_something_else_is_not_compared() -> None:
    assert (
        why(run("c", 0, 5.0), run("b", 0, 6.0, epochs=9)) == "no points that differ in nothing else"
    )


def test_a_point_to_come_will_have_the_label_of_its_scales() -> None:
    """Of scales that are no usual ones it is ``center-36``, as that of the runs beside it."""
    at: dict[str, Any] = {"protocol": {"name": "center", "scales": [36]}}
    at |= {"scale_min": 40, "scale_max": 48}
    tested = {"center-36": {"top1_error": 5.0, "loss": 0.2, "images": 4000}}
    trained = [run(model, 0, None, also=tested, **at) for model in "cb"]
    assert [p.label for p in trained[0].config.procedures] == ["center-36"]
    points: list[Any] = [*trained, *(missing(model, 1, **at) for model in "cb")]
    (comparison,) = compared(*points)
    assert [side.protocol for side in comparison.sides] == ["center-36"] * 2
    assert comparison.seeds == {0, 1}
    assert {s.protocol for s in summarise(view(*points))} == {"center-36"}


def test_how_files_are_decoded_is_no_difference() -> None:
    def photographs(decoder: str) -> dict[str, Any]:
        return {"name": "imagenette", "image_size": 64, "decoder": decoder}

    scale: dict[str, Any] = {"scale_min": 72, "scale_max": 72}
    points = [
        run(model, seed, 5.0, data=photographs(decoder), **scale)
        for model in "cb"
        for seed, decoder in enumerate(("auto", "pillow"))
    ]
    (comparison,) = compared(*points)
    assert [sorted(net) for side in comparison.sides for net in side.nets] == [[0, 1], [0, 1]]
    assert {arm.variant for arm in arms(view(*points)).values()} == {""}


def test_fields_may_be_declared_to_differ() -> None:
    tuned = claim({"model.name": "c"}, {"model.name": "b"}, ignore=["recipe.learning_rate"])
    points = run("c", 0, 5.0), run("b", 0, 6.0, learning_rate=0.1)
    assert why(*points) == "no points that differ in nothing else"
    (comparison,) = compared(*points, claims=tuned)
    assert comparison.sides[1].fields == {"model.name": "b", "recipe.learning_rate": 0.1}


def test_a_claim_without_points_says_which() -> None:
    assert why(run("c", 0, 5.0)) == "no point with model.name b"


def test_one_side_may_have_several_values() -> None:
    """A comparison for each combination."""
    deep = claim({"model.name": ["d", "e"]}, {"model.name": "a"})
    asked = compared(*(run(m, 0, 5.0) for m in "ade"), claims=deep)
    found = [[side.fields["model.name"] for side in q.sides] for q in asked]
    assert found == [["d", "a"], ["e", "a"]]


def test_nets_are_averaged_over() -> None:
    norm = claim({"norm.name": "batch"}, {"norm.name": "none"}, average_over=["model.name"])
    points = [run(m, 0, 5.0, norm=n) for m in "ab" for n in ("none", "batch")]
    (comparison,) = compared(*points, run("c", 0, 5.0), claims=norm)  # c has no counterpart
    assert comparison.averaged == ({"model.name": "a"}, {"model.name": "b"})


def test_protocols_of_the_same_runs() -> None:
    crops = claim({"protocol": "multi_crop"}, {"protocol": "dense"}, average_over=["model.name"])
    also = {name: {"top1_error": 4.0} for name in ("dense", "multi_crop-40-48")}
    points = [run("d", s, 5.0, also=also) for s in (0, 1)]
    (comparison,) = compared(*points, run("e", 0, 5.0), claims=crops)  # e was not tested so
    assert [side.protocol for side in comparison.sides] == ["multi_crop-40-48", "dense"]
    assert comparison.averaged == ({"model.name": "d"},)
    assert "do not all have a top-1 error" in why(run("e", 0, 5.0), claims=crops)


def test_a_top_5_error_is_asked_of_runs_that_have_one() -> None:
    asked = claim({"model.name": "c"}, {"model.name": "b"}, metric="top5_error")
    with_it: list[Any] = [run(model, 0, 5.0, top5=1.0) for model in "cb"]
    assert len(compared(*with_it, missing("c", 1), missing("b", 1), claims=asked)) == 1
    assert "top-5" in why(run("c", 0, 5.0, top5=1.0), run("b", 0, 5.0), claims=asked)
    few: dict[str, Any] = {"protocol": {"name": "center", "top_k": [1]}}
    assert "top-5" in why(missing("c", 0, **few), missing("b", 0, **few), claims=asked)


def test_the_first_protocol_that_all_were_tested_under() -> None:
    dense = {"dense": {"top1_error": 4.0}}
    (both,) = compared(run("c", 0, 5.0, also=dense), run("b", 0, 5.0, also=dense))
    (one,) = compared(run("c", 0, 5.0, also=dense), run("b", 0, 5.0))
    assert (both.sides[0].protocol, one.sides[0].protocol) == ("dense", "center")


def test_runs_to_come_and_runs_that_did_not_train_are_points() -> None:
    diverged = run("c", 1, None, state=State.DIVERGED)
    (comparison,) = compared(run("c", 0, 5.0), diverged, missing("b", 0), missing("b", 1))
    assert len(comparison.points) == 4


@pytest.mark.parametrize(
    ("side", "fits"),
    [
        ({"recipe.scale_max": {"above": "recipe.scale_min"}}, True),
        ({"recipe.scale_max": {"equals": "recipe.scale_min"}}, False),
        ({"recipe.scale_min": {"below": 40}}, True),
        ({"recipe.scale_min": 32, "model.name": ["a", "b"]}, True),
        ({"recipe.epochs": {"above": 3}}, False),  # the run has no such field
    ],
)
def test_selectors(side: dict[str, Any], fits: bool) -> None:
    values = {"recipe.scale_min": 32, "recipe.scale_max": 64, "model.name": "b"}
    assert matches(side, values) is fits


@pytest.mark.parametrize("nowhere", ["a", "d"])
def test_a_net_that_trained_on_no_side_is_counted_under_the_test_of_the_others(
    nowhere: str,
) -> None:
    """Of those that trained under ``center``: it took the first protocol's label, and where it was
    the first net all others were left out."""
    asked = claim(
        {"init.name": "glorot"},
        {"init.name": "gaussian"},
        direction="trains",
        average_over=["model.name"],
    )
    points = [
        run(m, s, 5.0 if i == "glorot" else None, init=i, state=state)
        for m in "abd"
        for i in ("glorot", "gaussian")
        for s in range(3)
        for state in [State.FINISHED if i == "glorot" else State.UNTRAINABLE]
    ]
    points = [
        dataclasses.replace(p, status=Status(state=State.UNTRAINABLE), result={})
        if p.config.model.name == nowhere
        else p
        for p in points
    ]
    (comparison,) = compared(*points, claims=asked)
    assert [fields["model.name"] for fields in comparison.averaged] == ["a", "b", "d"]
    assert {side.protocol for side in comparison.sides} == {"center"}
    (found,) = claims_record(view(*points, claims=asked))["claims"]
    assert [(s["trained"], s["untrained"]) for s in found["sides"]] == [(6, 3), (0, 9)]
    assert found["verdict"] == "supported"


def test_where_no_net_trained_the_first_protocol_stands_for_all() -> None:
    none = [run(m, 0, None, state=State.DIVERGED) for m in "cb"]
    (comparison,) = compared(*none)
    assert {side.protocol for side in comparison.sides} == {"dense"}


def test_each_question_of_a_claim_has_its_own_key() -> None:
    """They shared one, so that a ledger and a certificate knew one word for two."""
    asked = claim({"model.name": ["c", "b"]}, {"model.name": "a"})
    points = [p for m, e in zip("abc", (9.0, 9.0, 5.0), strict=True) for p in net(m, e)]
    found = compared(*points, claims=asked)
    assert [dict(q.setting) for q in found] == [{"model.name": "b"}, {"model.name": "c"}]
    study = view(*points, claims=asked)
    words = {
        claim_key(c["claim"], c["setting"]): c["verdict"] for c in claims_record(study)["claims"]
    }
    assert words == {"mine, model.name=b": "inconclusive", "mine, model.name=c": "supported"}
    assert look_lines(study, 0.0)[0].claims.keys() == words.keys()
    both = claim({"model.name": ["c", "b"]}, {"model.name": ["a", "e"]})
    points += net("e", 9.0)
    keys = [question.key for question in compared(*points, claims=both)]
    assert keys == [f"mine, model.name={pair}" for pair in ("b/a", "b/e", "c/a", "c/e")]


def test_what_may_differ_is_alike_where_it_can_be() -> None:
    """Two rates of each net: each rate is a question, and no net is set against the other rate."""
    asked = claim({"model.name": "c"}, {"model.name": "b"}, ignore=["recipe.learning_rate"])
    points = [run(m, 0, 5.0, learning_rate=rate) for m in "bc" for rate in (0.02, 0.05)]
    points = [
        dataclasses.replace(point, directory=RunDirectory(Path(f"{point.id}-{number}")))
        for number, point in enumerate(points)
    ]
    found = compared(*points, claims=asked)
    assert [question.key for question in found] == [
        f"mine, recipe.learning_rate={rate}" for rate in (0.02, 0.05)
    ]
    for question in found:
        assert len({point.config.recipe.learning_rate for point in question.points}) == 1
    other = [run("b", 0, 5.0, learning_rate=0.02), run("c", 0, 5.0, learning_rate=0.05)]
    assert [question.key for question in compared(*other, claims=asked)] == ["mine"]
