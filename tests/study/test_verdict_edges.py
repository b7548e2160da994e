"""Inputs on which a word, a number or a sentence said something else than the runs do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_points import net, run, view

from vgglab.config.claims import parse_claims
from vgglab.config.parse import ConfigError
from vgglab.report.verdicts import reason
from vgglab.runs import RunDirectory, RunRecord, State
from vgglab.study import StudyView, claims_record
from vgglab.study.claims.comparisons import comparisons
from vgglab.study.claims.contrast import noise_of_images, sums_of_originals
from vgglab.study.claims.looks import looks_of
from vgglab.study.claims.sides import Side, order_of
from vgglab.study.claims.verdict import Judgement, judge
from vgglab.study.differences.shifts import Word
from vgglab.study.differences.two_studies import compare_studies
from vgglab.study.ledger import LookedAt, LookLine
from vgglab.study.looking import look_lines


def asked(direction: str, compare: list[dict[str, Any]], *points: Any, **more: Any) -> StudyView:
    """A study with one claim, ``mine``."""
    tree = {"statement": "x", "direction": direction, "compare": compare} | more
    return view(*points, claims=parse_claims({"mine": tree}))


def judged(study: StudyView) -> Judgement:
    (found,), _ = judge(study)
    return found


# A claim on the best needs an order.

RATES = {"a": 0.1, "b": 0.1, "d": 0.05, "e": 0.05}
CURVE = {"a": 14.0, "b": 13.0, "d": 10.0, "e": 12.0}


def of_rates(compare: list[dict[str, Any]], **more: Any) -> StudyView:
    points = [p for m, e in CURVE.items() for p in net(m, e, learning_rate=RATES[m])]
    return asked("best_at", compare, *points, best={"at_or_below": 11}, **more)


def test_sides_that_differ_in_two_fields_have_no_order() -> None:
    both = [{"model.name": m, "recipe.learning_rate": r} for m, r in RATES.items()]
    found, (unanswered,) = judge(of_rates(both))
    assert not found
    assert "its sides have no order" in unanswered.why
    by_name = of_rates([{"model.name": m} for m in RATES], ignore=["recipe.learning_rate"])
    assert judged(by_name).verdict == "contradicted"  # the best is at 16


@pytest.mark.parametrize(
    "compare",
    [
        [{"init.name": name} for name in ("he", "glorot", "gaussian")],
        [{"model.name": "d", "norm.name": norm} for norm in ("none", "batch", "group")],
    ],
)
def test_texts_are_no_order(compare: list[dict[str, Any]]) -> None:
    points: list[RunRecord] = []
    for place, side in enumerate(compare):
        of = {"init": side.get("init.name", "he"), "norm": side.get("norm.name", "batch")}
        points += [run("d", seed, 10.0 + place + 0.1 * seed, **of) for seed in range(3)]
    found, (unanswered,) = judge(asked("best_at", compare, *points, best={"at": 1}))
    assert not found
    assert "its sides have no order" in unanswered.why


def test_nets_of_one_depth_have_no_order() -> None:
    points = [p for m in ("a", "a_lrn") for p in [run(m, 0, 10.0), run(m, 1, 10.1)]]
    names = [{"model.name": "a"}, {"model.name": "a_lrn"}, {"model.name": "a"}]
    claims = parse_claims(
        {"mine": {"statement": "x", "direction": "best_at", "compare": names, "best": {"at": 11}}}
    )
    by_name = {p.config.model.name: {p.config.seed: p} for p in points}
    sides = [Side(side, "center", (by_name[side["model.name"]],)) for side in names]
    assert order_of(claims["mine"], sides) is None


def test_a_line_from_deep_to_shallow_is_fitted_at_the_weight_layers_too() -> None:
    points = [p for m, e in (("e", 9.0), ("d", 8.0), ("a", 5.0)) for p in net(m, e)]
    study = asked("falls", [{"model.name": m} for m in "eda"], *points)
    assert judged(study).paired.places == (19.0, 16.0, 11.0)
    (claim,) = claims_record(study)["claims"]
    assert "the line is fitted at 19, 16, 11 weight layers" in reason(claim)
    assert claim["verdict"] == "supported"


def test_sides_in_no_order_are_said_to_stand_as_they_are_named() -> None:
    points = [p for m, e in (("e", 9.0), ("a", 8.0), ("d", 5.0)) for p in net(m, e)]
    study = asked("falls", [{"model.name": m} for m in "ead"], *points)
    (claim,) = claims_record(study)["claims"]
    assert "the line is fitted at 0, 1, 2, as the claim names the sides" in reason(claim)


def test_the_set_of_places_is_that_of_the_word_that_is_likely() -> None:
    """What is heading for "contradicted" has a fifth of the 5%, and its places are of that."""
    errors = {"a": 10.09, "d": 10.0, "e": 10.0}
    points = [p for m, e in errors.items() for p in net(m, e)]
    study = asked("best_at", [{"model.name": m} for m in errors], *points, best={"at_or_below": 11})
    found = judged(study)
    assert found.verdict == "inconclusive"
    assert found.decisive is not None
    assert found.decisive[0] == 11  # else the interval that counts would have shown it


# Averages over nets.


def test_all_parts_of_a_claim_are_of_the_same_nets() -> None:
    """On D batch norm is far better than group norm, but D never trains without one: of A alone
    batch norm is worse."""
    points = [
        *net("a", 20.0, norm="batch"), *net("d", 10.0, norm="batch"),
        *net("a", 19.5, norm="group"), *net("d", 12.0, norm="group"),
        *net("a", 25.0, norm="none"),
        *(run("d", seed, None, norm="none", state=State.DIVERGED) for seed in range(5)),
    ]  # fmt: skip
    study = asked(
        "lower",
        [{"norm.name": name} for name in ("batch", "group", "none")],
        *points,
        average_over=["model.name"],
    )
    found = judged(study)
    assert found.verdict != "supported"
    assert found.evidence.effect is not None
    assert found.evidence.effect.mean == pytest.approx(0.5, abs=0.1)
    first, second, _ = (side.error for side in found.sides)
    assert first is not None
    assert second is not None
    assert first - second == pytest.approx(found.evidence.effect.mean)


def test_where_no_net_trained_on_every_side_nothing_is_tested() -> None:
    points = [
        *net("a", 20.0, norm="batch"), *net("d", 10.0, norm="batch"),
        *net("a", 19.5, norm="group"),
        *net("d", 25.0, norm="none"),
        *(run("d", seed, None, norm="group", state=State.DIVERGED) for seed in range(5)),
        *(run("a", seed, None, norm="none", state=State.DIVERGED) for seed in range(5)),
    ]  # fmt: skip
    names = [{"norm.name": name} for name in ("batch", "group", "none")]
    found = judged(asked("lower", names, *points, average_over=["model.name"]))
    assert found.verdict == "inconclusive"
    assert "no net that is averaged over trained on every side" in found.reason


# Seeds.


def test_runs_are_not_dropped_for_two_pairs() -> None:
    """Of five and five seeds two are the same: the difference is that of all ten runs."""
    lrn = [run("a_lrn", seed, 12.0 + 0.2 * seed) for seed in range(3, 8)]
    plain = [run("a", seed, 12.0 + 0.17 * seed) for seed in range(5)]
    found = judged(asked("lower", [{"model.name": "a_lrn"}, {"model.name": "a"}], *lrn, *plain))
    effect = found.evidence.effect
    assert effect is not None
    assert [group.seeds for group in effect.groups] == [5, 5]
    first, second = (side.error for side in found.sides)
    assert first is not None
    assert second is not None
    assert effect.mean == pytest.approx(first - second)


def test_nets_that_a_side_averages_over_stay_paired_by_their_seeds() -> None:
    """The sides share two of five seeds, but two rates of one side share all: their sum is one
    draw a seed, and not two."""
    points = [
        run(model, seed, 12.0 + 0.2 * (seed - first) + 0.01 * rate, learning_rate=rate)
        for model, first in (("a", 0), ("a_lrn", 3))
        for seed in range(first, first + 5)
        for rate in (0.05, 0.1)
    ]
    found = judged(
        asked(
            "lower",
            [{"model.name": "a_lrn"}, {"model.name": "a"}],
            *points,
            average_over=["recipe.learning_rate"],
        )
    )
    effect = found.evidence.effect
    assert effect is not None
    assert [group.seeds for group in effect.groups] == [5, 5]
    # The variance of the mean of a side is that of 12.0 to 12.8, over five.
    assert effect.seed_variance == pytest.approx(2 * np.var([0, 0.2, 0.4, 0.6, 0.8], ddof=1) / 5)


def test_half_of_the_seeds_and_more_are_pairs() -> None:
    lrn = [run("a_lrn", seed, 12.0 + 0.2 * seed) for seed in range(3)]
    plain = [run("a", seed, 12.5 + 0.17 * seed) for seed in range(6)]
    found = judged(asked("lower", [{"model.name": "a_lrn"}, {"model.name": "a"}], *lrn, *plain))
    assert found.evidence.effect is not None
    assert [group.seeds for group in found.evidence.effect.groups] == [3]


def test_a_look_at_which_a_side_has_no_two_seeds_spends_nothing() -> None:
    first, second = net("d", 9.0, seeds=5), net("e", 8.0, seeds=5)[:1]
    study = asked("lower", [{"model.name": "e"}, {"model.name": "d"}], *first, *second)
    (comparison,), _ = comparisons(study)
    assert looks_of(study, comparison).rule.spent(1) == 0
    assert judged(study).spent == 0
    assert not [line for line in look_lines(study, now=0.0) if line.claims]
    declared = replace(
        asked("lower", [{"model.name": "e"}, {"model.name": "d"}], *first, *net("e", 8.0)[3:]),
        looks=(3, 5),
    )
    (comparison,), _ = comparisons(declared)
    rule = looks_of(declared, comparison).rule
    assert (rule.spent(1), rule.spent(2)) == (0, 1)  # E has its two seeds at the second


SIDES = [{"model.name": "e"}, {"model.name": "d"}]


def seen_before(study: StudyView, *, spent: float, runs: bool, seeds: tuple[int, ...]) -> int:
    """Looks at a claim, of which the ledger has a judgement of these seeds."""
    (comparison,), _ = comparisons(study)
    found = LookedAt(
        seeds=seeds,
        word="inconclusive",
        alpha_spent=spent,
        runs=comparison.among(seeds).runs_hash if runs else "",
        question=comparison.question if runs else "",
    )
    line = LookLine(
        time=0.0, look=None, seeds=seeds, claims={comparison.key: found}, minutes=0.0, runs=4
    )
    return len(looks_of(replace(study, ledger=[line]), comparison).seeds)


def test_a_judgement_whose_runs_are_gone_is_counted_as_the_ledger_has_it() -> None:
    now = asked("lower", SIDES, *net("d", 9.0)[2:], *net("e", 8.0)[2:])
    # Lines of earlier versions do not say which runs they were of.
    assert seen_before(now, spent=0.04, runs=False, seeds=(0, 1, 2)) == 2


def test_a_judgement_that_spent_is_counted_though_it_would_not_today() -> None:
    """E has one of its seeds: no word can come of them by now, but that look may have had its."""
    now = asked("lower", SIDES, *net("d", 9.0), *net("e", 8.0)[2:])
    assert seen_before(now, spent=0.04, runs=True, seeds=(0, 1, 2)) == 2
    assert seen_before(now, spent=0.0, runs=True, seeds=(0, 1, 2)) == 1


def test_a_line_through_a_net_with_one_seed_says_so() -> None:
    points = [*net("b", 5.0), *net("d", 5.0)[:1], *net("e", 9.0)]
    found = judged(asked("falls", [{"model.name": m} for m in "bde"], *points))
    assert found.verdict == "inconclusive"
    assert found.reason == "one seed: no noise is known, whatever the difference"
    assert found.decisive is None


# Two studies.


def trained_again(runs: list[RunRecord], folder: str) -> list[RunRecord]:
    return [replace(one, directory=RunDirectory(Path(folder) / one.id)) for one in runs]


def test_a_study_and_its_extension_share_their_first_runs() -> None:
    sides = [{"model.name": "e"}, {"model.name": "d"}]
    then = asked("lower", sides, *net("d", 10.0, seeds=3), *net("e", 10.0, seeds=3))
    now = asked("lower", sides, *net("d", 10.0), *net("e", 10.0, seeds=3), *net("e", 8.5)[3:])
    (claim,) = compare_studies(then, now, lambda _: "").claims
    assert claim.shift.word is Word.SHARED


def test_a_baseline_that_both_studies_share_hides_no_shift() -> None:
    baseline = net("d", 10.0)
    then = asked("lower", SIDES, *baseline, *net("e", 9.0))
    now = asked("lower", SIDES, *baseline, *trained_again(net("e", 7.0), "new"))
    (claim,) = compare_studies(then, now, lambda _: "").claims
    assert claim.shift.word is Word.MOVED


def test_a_claim_whose_test_is_another_one_is_not_compared() -> None:
    def tested(label: str, by: float, folder: str) -> StudyView:
        points = trained_again([*net("d", 10.0), *net("e", 9.0)], folder)
        for point in points:
            errors = point.result["errors"].pop("center")
            lower = by if point.config.model.name == "e" else 0.0
            point.result["errors"][label] = {**errors, "top1_error": errors["top1_error"] - lower}
        sides = [{"model.name": "e"}, {"model.name": "d"}]
        return asked("lower", sides, *points, protocol=["dense", "center"])

    found = compare_studies(tested("center", 0.0, "old"), tested("dense", 0.3, "new"), lambda _: "")
    (claim,) = found.claims
    assert (claim.shift.word, claim.shift.why) == (Word.OPEN, "asked otherwise")
    assert {arm.error.why for arm in found.arms} == {"tested otherwise"}


# Odd input.


@pytest.mark.parametrize("images", [1, 6])
def test_one_original_says_nothing_of_the_noise_of_images(images: int) -> None:
    wrong_si = np.array([[100.0] * images, [0.0] * images, [100.0] * images])
    sums_so = sums_of_originals(wrong_si, np.zeros(images, dtype=np.int64))
    assert noise_of_images([sums_so], images) == (0.0, (0.0,))


def test_what_is_no_number_is_not_above_one() -> None:
    study = asked("lower", [{"norm.name": {"above": 3}}, {"norm.name": "none"}], *net("a", 9.0))
    with pytest.raises(ConfigError, match=r"norm\.name above 3: must be numbers.*\"batch\" and 3"):
        judge(study)
