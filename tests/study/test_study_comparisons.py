from __future__ import annotations

from typing import Any

import pytest
from study_points import missing, run, view

from vgglab.config.claims import Claim, parse_claims
from vgglab.runs import State
from vgglab.study import arms, summarise
from vgglab.study.claims.comparisons import Comparison, comparisons, matches


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
