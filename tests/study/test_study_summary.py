from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from scipy import stats
from study_points import missing, net, run, view

from vgglab.config.claims import parse_claims
from vgglab.runs import RunDirectory, State
from vgglab.study import (
    Arm,
    Summary,
    arms,
    claims_record,
    costs,
    estimate,
    protocol_steps,
    summarise,
    values_by_arm,
)


def test_interval_is_students() -> None:
    values = [7.1, 6.4, 6.9, 7.7]
    found = estimate(values)
    assert found is not None
    assert found.interval is not None
    reference = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found.interval == pytest.approx((reference.low, reference.high))
    assert found.sd == pytest.approx(stats.tstd(values))


def test_one_seed_has_no_interval_and_none_no_mean() -> None:
    (one,) = summarise(view(run("a", 0, 5.0)))
    assert one.top1 is not None
    assert (one.top1.mean, one.top1.sd, one.top1.interval) == (5.0, None, None)
    (none,) = summarise(view(missing("a", 0)))
    assert none.top1 is None
    assert (none.trained, none.asked, none.protocol) == (0, 1, "center")


def test_an_interval_ends_where_errors_do() -> None:
    found = Summary(Arm("a", "none", "he"), "center", 11, (0, 1), {}, {0: 1.0, 1: 99.0}, {}).top1
    assert found is not None
    assert found.interval == (0.0, 100.0)
    free = estimate([1.0, 99.0])
    assert free is not None
    assert free.interval is not None
    assert free.interval[0] < -500  # a difference has no such ends


def test_arms_stand_in_the_order_of_their_numbers() -> None:
    names = [("plain-9", ""), ("plain-11", "model.width=0.25"), ("plain-11", "model.width=0.125")]
    found = sorted(Arm(model, "none", "he", variant) for model, variant in reversed(names))
    assert [(arm.model, arm.variant) for arm in found] == [names[0], names[2], names[1]]


def test_every_point_asked_for_is_counted() -> None:
    (found,) = summarise(
        view(
            run("a", 0, 5.0),
            run("a", 1, 7.0),
            run("a", 2, None, state=State.DIVERGED),
            run("a", 3, 90.0, state=State.UNTRAINABLE),
            run("a", 4, None, state=State.FAILED),
            missing("a", 5),
        )
    )
    assert (found.trained, found.asked) == (2, 6)
    assert found.states == {
        "diverged": 1, "failed": 1, "finished": 2, "pending": 1, "untrainable": 1,
    }  # fmt: skip
    # An untrainable net's chance-level error is an outcome, not a value of the mean.
    assert found.top1 is not None
    assert found.top1.values == (5.0, 7.0)


def test_a_diverged_seed_is_asked_for_under_every_protocol() -> None:
    dense = {"dense": {"top1_error": 4.0}}
    center, on_dense = summarise(
        view(run("a", 0, 5.0, also=dense), run("a", 1, None, state=State.DIVERGED))
    )
    assert (center.protocol, center.trained, center.asked) == ("center", 1, 2)
    assert (on_dense.protocol, on_dense.trained, on_dense.asked) == ("dense", 1, 2)


def test_top5_may_be_absent() -> None:
    without, with_it = summarise(view(run("a", 0, 5.0), run("b", 0, 5.0, top5=0.5)))
    assert without.top5 is None
    assert with_it.top5 is not None
    assert with_it.top5.mean == 0.5


def test_norm_and_init_are_arms_of_their_own() -> None:
    points = [run("a", 0, 5.0), run("a", 0, 6.0, norm="none"), run("a", 0, 7.0, init="glorot")]
    found = [(s.arm.norm, s.arm.init, s.trained) for s in summarise(view(*points))]
    assert found == [("none", "he", 1), ("batch", "glorot", 1), ("batch", "he", 1)]


def test_different_widths_are_never_pooled() -> None:
    narrow, wide = summarise(view(run("a", 0, 9.0, width=0.25), run("a", 0, 5.0, width=0.5)))
    assert (narrow.arm.variant, narrow.top1_error) == ("model.width=0.25", {0: 9.0})
    assert (wide.arm.variant, wide.top1_error) == ("model.width=0.5", {0: 5.0})


def test_a_field_tuned_for_each_model_makes_no_variant_but_is_found() -> None:
    study = view(run("a", 0, 5.0, learning_rate=0.1), run("b", 0, 5.0, learning_rate=0.01))
    assert {s.arm.variant for s in summarise(study)} == {""}
    rates = values_by_arm(study)["recipe.learning_rate"]
    assert {rate: [arm.model for arm in arms] for rate, arms in rates.items()} == {
        0.1: ["a"],
        0.01: ["b"],
    }


def test_the_same_seed_twice_is_refused() -> None:
    first = run("a", 0, 5.0)
    twice = view(first, dataclasses.replace(first, directory=RunDirectory(Path("again"))))
    with pytest.raises(ValueError, match=r"seed 0 of .* is there twice"):
        summarise(twice)


def test_cost_is_over_seeds_that_trained_and_counts_a_run_once() -> None:
    dense = {"dense": {"top1_error": 4.0}}
    points = [run("a", 0, 5.0, also=dense), run("a", 2, 5.0)]
    points += [run("a", 1, None, state=State.DIVERGED), run("a", 3, 90.0)]  # the last guesses
    (cost,) = costs(view(*points, missing("b", 0)))
    assert (cost.parameters, cost.macs) == (123, 456)
    assert cost.step_ms is not None
    assert cost.step_ms.values == (30.0, 32.0)
    assert cost.peak_memory_mib is None
    (guessing,) = costs(view(run("a", 1, 90.0)))
    assert guessing.step_ms is not None  # of a net that trained nowhere, what was measured


def test_a_protocol_that_some_runs_alone_were_tested_under_is_left_out() -> None:
    dense = {"dense": {"top1_error": 4.5}}
    some = view(run("a", 0, 5.0, also=dense), run("a", 1, 6.0))
    assert [summary.protocol for summary in summarise(some)] == ["center"]
    every = view(run("a", 0, 5.0, also=dense), run("a", 1, 6.0, also=dense))
    assert [summary.protocol for summary in summarise(every)] == ["center", "dense"]


def test_protocols_are_compared_with_the_first_of_the_same_net() -> None:
    also = {name: {"top1_error": error} for name, error in (("both", 3.0), ("dense", 4.5))}
    steps = protocol_steps(
        summarise(view(run("a", 0, 5.0, also=also), run("b", 0, 7.0, also=also)))
    )
    found = [(s.summary.arm.model, s.summary.protocol, s.base, s.by_seed) for s in steps]
    assert found == [
        ("a", "center", "center", {0: 0.0}),
        ("a", "dense", "center", {0: -0.5}),
        ("a", "both", "center", {0: -2.0}),
        ("b", "center", "center", {0: 0.0}),
        ("b", "dense", "center", {0: -2.5}),
        ("b", "both", "center", {0: -4.0}),
    ]


def test_further_protocols_make_no_other_arm() -> None:
    first = run("a", 0, 5.0)
    second = run("a", 1, 6.0, protocol={"name": "center", "also": ["dense"]})
    assert len(set(arms(view(first, second)).values())) == 1


def test_a_run_at_chance_has_not_trained_as_in_the_claims() -> None:
    """Its error of 90% was a part of the mean, beside a claim that left it out."""
    points = [*net("a", 9.0, seeds=3), *net("b", 8.0, seeds=2), run("b", 2, 90.0)]
    sides = [{"model.name": "b"}, {"model.name": "a"}]
    tree = {"statement": "x", "direction": "lower", "compare": sides}
    study = view(*points, claims=parse_claims({"mine": tree}))
    _, summary = summarise(study)
    assert (summary.trained, summary.asked) == (2, 3)
    assert summary.states == {"finished": 2, "at chance": 1}
    (claim,) = claims_record(study)["claims"]
    side = claim["sides"][0]
    assert side["error"] == pytest.approx(summary.top1.mean if summary.top1 else None)
    assert (side["trained"], side["untrained"], side["states"]) == (2, 1, summary.states)
