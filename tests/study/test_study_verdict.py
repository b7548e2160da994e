from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from paper_numbers import paper_study
from study_points import NOISE, missing, net, run, view

from vgglab.config.claims import parse_claims
from vgglab.report.verdicts import reason
from vgglab.runs import RunRecord, State
from vgglab.study import MissingPoint, claims_record
from vgglab.study.claims.directions import trend_weights
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.power import seeds_to_show
from vgglab.study.claims.verdict import Judgement, judge, share_interval
from vgglab.study.claims.wanted import seeds_wanted
from vgglab.study.ledger import LookedAt, LookLine


def judged(
    direction: str, models: str, *points: RunRecord | MissingPoint, **fields: Any
) -> Judgement:
    compare = [{"model.name": model} for model in models]
    tree = {"statement": "x", "direction": direction, "compare": compare} | fields
    if "margin" in fields or "margin_share" in fields:
        tree["margin_reason"] = "because"
    (found,), _ = judge(view(*points, claims=parse_claims({"mine": tree})))
    return found


def losing(model: str, seeds: Iterable[int], state: State = State.DIVERGED) -> list[RunRecord]:
    return [run(model, seed, None, state=state) for seed in seeds]


@pytest.mark.parametrize(
    ("c", "verdict"), [(4.0, "supported"), (6.0, "contradicted"), (5.0, "inconclusive")]
)
def test_lower(c: float, verdict: str) -> None:
    assert judged("lower", "cb", *net("c", c), *net("b", 5.0)).verdict == verdict


def test_lower_by_a_margin() -> None:
    points = *net("c", 4.0), *net("b", 5.0)
    assert judged("lower", "cb", *points, margin=0.5).verdict == "supported"
    assert judged("lower", "cb", *points, margin=1.5).verdict == "contradicted"


def test_lower_than_each_other() -> None:
    """Not shown against one: not shown."""
    points = *net("c", 4.0), *net("b", 5.0)
    assert judged("lower", "cba", *points, *net("a", 6.0)).verdict == "supported"
    assert judged("lower", "cba", *points, *net("a", 4.0)).verdict == "inconclusive"
    assert judged("lower", "cba", *points, *net("a", 3.0)).verdict == "contradicted"


@pytest.mark.parametrize(
    ("e", "verdict"),
    [(5.0, "supported"), (5.7, "contradicted"), (4.3, "contradicted"), (5.5, "inconclusive")],
)
def test_equal(e: float, verdict: str) -> None:
    found = judged("equal", "ed", *net("e", e), *net("d", 5.0), margin=0.5)
    assert found.verdict == verdict


def test_a_difference_that_is_not_shown_is_not_equality() -> None:
    wide = net("e", 5.0)
    for point, noise in zip(wide, NOISE, strict=True):
        point.result["errors"]["center"]["top1_error"] = 5.0 + 40 * noise
    assert judged("equal", "ed", *wide, *net("d", 5.0), margin=0.5).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("e", "verdict"), [(5.0, "supported"), (9.0, "supported"), (4.0, "contradicted")]
)
def test_no_better_says_nothing_of_a_rise(e: float, verdict: str) -> None:
    found = judged("no_better", "ed", *net("e", e), *net("d", 5.0), margin=0.5)
    assert found.verdict == verdict


def test_a_margin_can_be_a_share_of_the_reference() -> None:
    """5% of 20 is 1 point, of 2 a tenth: the same rise is within it or not."""
    wide = judged("no_better", "ed", *net("e", 19.5), *net("d", 20.0), margin_share=5.0)
    assert wide.verdict == "supported"
    assert wide.margin == pytest.approx(1.0, abs=0.01)
    narrow = judged("no_better", "ed", *net("e", 1.5), *net("d", 2.0), margin_share=5.0)
    assert narrow.verdict == "contradicted"
    points = [p for m, e in zip("abd", (10.0, 6.0, 6.5), strict=True) for p in net(m, e)]
    assert judged("falls", "abd", *points, margin_share=10.0).margin == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((8.0, 6.0, 5.0, 5.2), "supported"),
        ((5.0, 5.2, 6.0, 8.0), "contradicted"),
        ((8.0, 6.0, 5.0, 7.0), "contradicted"),  # falls along the line, but the last step rises
        ((5.0, 5.0, 5.0, 5.0), "inconclusive"),
        ((16.0, 13.0, 10.0, 10.8), "inconclusive"),  # the last step may rise by more than 0.8
    ],
)
def test_falls(errors: tuple[float, ...], verdict: str) -> None:
    points = [point for model, e in zip("abde", errors, strict=True) for point in net(model, e)]
    assert judged("falls", "abde", *points, margin=0.8).verdict == verdict


def test_a_step_that_is_not_shown_to_stay_below_the_margin_is_the_reason() -> None:
    points = [p for m, e in zip("abde", (16.0, 13.0, 10.0, 10.8), strict=True) for p in net(m, e)]
    assert (
        "a step is not shown to rise by less" in judged("falls", "abde", *points, margin=0.8).reason
    )


def test_the_line_is_fitted_at_the_weight_layers() -> None:
    places, errors = (11.0, 13.0, 16.0, 19.0), np.array([8.0, 6.0, 5.0, 5.2])
    slope = np.polyfit(places, errors, 1)[0]
    assert np.dot(trend_weights(places), errors) == pytest.approx(8 * slope)
    points = [p for m, e in zip("abde", errors, strict=True) for p in net(m, float(e))]
    found = judged("falls", "abde", *points)
    assert found.paired.places == places
    assert found.evidence.effect is not None
    assert found.evidence.effect.mean == pytest.approx(8 * slope, abs=0.1)


def test_sides_of_another_kind_stand_at_their_values_or_in_their_order() -> None:
    def places(*sides: dict[str, Any]) -> tuple[float, ...]:
        points = [p for w in (0.25, 0.5, 1.0) for p in net("a", 5.0, width=w)]
        points += [p for i in ("he", "glorot") for p in net("b", 5.0, init=i)]
        tree = {"statement": "x", "direction": "falls", "compare": list(sides)}
        (found,), _ = judge(view(*points, claims=parse_claims({"mine": tree})))
        return found.paired.places

    widths = [{"model.name": "a", "model.width": width} for width in (0.25, 0.5, 1.0)]
    assert places(*widths) == (0.25, 0.5, 1.0)
    assert places(*reversed(widths)) == (1.0, 0.5, 0.25)
    assert places(widths[1], widths[0], widths[2]) == (0.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("field", "values", "said"),
    [
        ("model.name", ("a", "b", "d"), "the line is fitted at 11, 13, 16 weight layers."),
        ("model.width", (0.25, 0.5, 1.0), "the line is fitted at 0.25, 0.5, 1."),
    ],
)
def test_a_line_is_said_to_be_at_weight_layers_where_it_is(
    field: str, values: tuple[Any, ...], said: str
) -> None:
    key = field.partition(".")[2]
    points = [p for v in values for p in (net(v, 5.0) if key == "name" else net("a", 5.0, width=v))]
    tree = {"statement": "x", "direction": "falls", "compare": [{field: v} for v in values]}
    study = view(*points, claims=parse_claims({"mine": tree}))
    (claim,) = claims_record(study)["claims"]
    assert said[:-1] + ";" in reason(claim)


def test_seeds_are_paired_between_nets_with_the_same_layers_alone() -> None:
    """A and A-LRN start from the same weights; C and B do not."""
    lrn = [run("a_lrn", p.config.seed, p.result["errors"]["center"]["top1_error"] - 0.5)
           for p in net("a", 5.0)]  # fmt: skip
    same = [{"model.name": "a_lrn"}, {"model.name": "a"}]
    tree = {"statement": "x", "direction": "lower"}
    points = *lrn, *net("a", 5.0), *net("b", 5.0)
    claims = {"same": tree | {"compare": same},
              "other": tree | {"compare": [{"model.name": "b"}, {"model.name": "a"}]}}  # fmt: skip
    found, _ = judge(view(*points, claims=parse_claims(claims)))
    effects = [j.evidence.effect for j in found]
    assert [len(effect.groups) for effect in effects if effect] == [1, 2]


def test_one_seed_is_inconclusive_whatever_the_difference() -> None:
    found = judged("lower", "cb", *net("c", 1.0, seeds=1), *net("b", 50.0, seeds=1))
    assert found.verdict == "inconclusive"
    assert "one seed" in found.reason
    assert found.evidence.effect is not None
    assert found.evidence.effect.interval is None


def test_a_claim_is_about_the_runs_that_trained_and_says_so() -> None:
    """Two of five do not train: their side is the other three, and the word names the condition."""
    lost = losing("b", (3, 4), State.UNTRAINABLE)
    found = judged("lower", "cb", *net("c", 4.0), *net("b", 5.0, seeds=3), *lost)
    assert found.verdict == "supported"
    assert found.is_of_trained_runs
    assert found.evidence.effect is not None
    assert found.evidence.effect.mean == pytest.approx(-1.0, abs=0.1)
    assert [(s.trained, s.untrained) for s in found.sides] == [(5, 0), (3, 2)]
    assert not judged("lower", "cb", *net("c", 4.0), *net("b", 5.0)).is_of_trained_runs


def test_a_run_that_finishes_guessing_did_not_train() -> None:
    lost = [run("b", 4, 89.0)]
    found = judged("lower", "cb", *net("c", 4.0), *net("b", 5.0, seeds=4), *lost)
    assert (found.sides[1].untrained, found.verdict) == (1, "supported")


def test_a_net_that_never_trains_has_no_error_to_compare() -> None:
    found = judged("lower", "cb", *net("c", 4.0), *losing("b", range(5)))
    assert found.verdict == "inconclusive"
    assert "no run of a side trained" in found.reason


def test_two_nets_that_never_learn_are_not_shown_equal() -> None:
    lost = [point for model in "de" for point in losing(model, range(5))]
    found = judged("equal", "ed", *lost, margin=0.5)
    assert (found.verdict, found.reason) == ("inconclusive", "no net trained")


@pytest.mark.parametrize(
    ("lost", "verdict"), [((), "inconclusive"), ((0, 1), "inconclusive"), (range(5), "supported")]
)
def test_more_runs_train(lost: Iterable[int], verdict: str) -> None:
    seeds = [seed for seed in range(5) if seed not in lost]
    points = *net("c", 4.0), *(run("b", seed, 5.0) for seed in seeds), *losing("b", lost)
    assert judged("trains", "cb", *points).verdict == verdict
    opposite = judged("trains", "bc", *points).verdict
    assert opposite == ("contradicted" if verdict == "supported" else "inconclusive")


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(0, 3, 0, 63.2), (1, 5, 0.5, 71.6), (3, 3, 36.8, 100)]
)
def test_the_share_that_fails_has_an_exact_interval(
    count: int, of: int, low: float, high: float
) -> None:
    """Tables of Clopper and Pearson; one-sided where none or all failed."""
    assert share_interval(count, of) == pytest.approx((low, high), abs=0.05)


def test_averages_are_over_the_nets_that_trained_on_every_side() -> None:
    """Without batch norm E never trains: the difference is that of A."""
    points = [*net("a", 4.0), *net("e", 3.0), *net("a", 5.0, norm="none")]
    points += [run("e", s, None, state=State.UNTRAINABLE, norm="none") for s in range(5)]
    tree: dict[str, Any] = {"statement": "x", "direction": "lower", "average_over": ["model.name"]}
    tree["compare"] = [{"norm.name": "batch"}, {"norm.name": "none"}]
    (found,), _ = judge(view(*points, claims=parse_claims({"mine": tree})))
    assert found.evidence.effect is not None
    assert found.evidence.effect.mean == pytest.approx(-1.0, abs=0.1)
    assert (found.verdict, found.is_of_trained_runs) == ("supported", True)


def test_no_verdict_while_runs_are_outstanding() -> None:
    points = *net("c", 4.0), *net("b", 5.0, seeds=4)
    assert judged("lower", "cb", *points).verdict == "supported"
    found = judged("lower", "cb", *points, missing("b", 4))
    assert (found.verdict, found.reason) == ("inconclusive", "1 of its runs have no outcome yet")


def looked(*points: RunRecord | MissingPoint, ledger: Sequence[LookLine] = ()) -> Judgement:
    """C against B, judged at two seeds and at five; with a ledger, as often as it says."""
    tree = {"statement": "x", "direction": "lower"}
    claims = parse_claims({"mine": tree | {"compare": [{"model.name": "c"}, {"model.name": "b"}]}})
    looks = () if ledger else (2, 5)
    study = dataclasses.replace(view(*points, claims=claims), looks=looks, ledger=ledger)
    (found,), _ = judge(study)
    return found


def test_a_word_comes_at_a_declared_look_and_stands() -> None:
    waiting = [missing("b", seed) for seed in (2, 3, 4)]
    found = looked(*net("c", 1.0), *net("b", 9.0, seeds=2), *waiting)
    assert (found.verdict, found.look, found.sides[0].runs) == ("supported", 1, 2)
    assert found.spent == pytest.approx(2 / 5)
    # Whatever later seeds say.
    assert looked(*net("c", 1.0), *net("b", 9.0, seeds=2), *losing("b", (2, 3, 4))).look == 1


def test_in_the_middle_of_a_look_there_are_numbers_and_no_word() -> None:
    found = looked(*net("c", 4.8), *net("b", 5.0, seeds=4), missing("b", 4))
    assert (found.verdict, found.look) == ("inconclusive", 2)
    assert "in the middle of a look: 1 of its runs" in found.reason
    assert found.evidence.effect is not None
    assert looked(*net("c", 4.8), *net("b", 5.0)).verdict == "supported"


def test_a_look_that_has_not_begun_leaves_the_numbers_of_the_one_before() -> None:
    later = [missing(model, seed) for model in "bc" for seed in (2, 3, 4)]
    found = looked(*net("c", 4.8, seeds=2), *net("b", 5.0, seeds=2), *later)
    assert (found.verdict, found.look) == ("inconclusive", 1)
    assert "in the middle" not in found.reason


def test_judging_again_after_more_seeds_spends_what_is_left() -> None:
    """The same five seeds: shown where they are the first look, not after two others."""
    points = [*net("c", 4.92), *net("b", 5.0)]

    def line(*seeds: int) -> LookLine:
        claims = {"mine": LookedAt(seeds=seeds, word="inconclusive", alpha_spent=0.0)}
        return LookLine(time=0, look=None, seeds=seeds, claims=claims, minutes=0, runs=4)

    once = looked(*points, ledger=[line(0, 1, 2, 3, 4)])
    again = looked(*points, ledger=[line(0, 1), line(0, 1, 2), line(0, 1, 2, 3, 4)])
    assert (once.verdict, once.look) == ("supported", 1)
    assert (again.verdict, again.look) == ("inconclusive", 3)
    assert (once.spent, again.spent) == pytest.approx((0.8, 0.95))
    assert again.p_value == pytest.approx(once.p_value * 0.8 / 0.05)


def test_few_test_images_widen_the_interval() -> None:
    many = judged("lower", "cb", *net("c", 4.8), *net("b", 5.0))
    few = judged("lower", "cb", *net("c", 4.8, images=1000), *net("b", 5.0, images=1000))
    assert (many.verdict, few.verdict) == ("supported", "inconclusive")
    assert "too few test images" in few.reason


def test_claims_are_corrected_together() -> None:
    """Shown alone, but not among eight."""
    points = [*net("b", 5.0), *net("c", 4.92), *(p for m in "ade" for p in net(m, 5.0))]
    side = [{"model.name": "c"}, {"model.name": "b"}]
    tree = {"statement": "x", "direction": "lower", "compare": side}
    (alone,), _ = judge(view(*points, claims=parse_claims({"one": tree})))
    many, _ = judge(view(*points, claims=parse_claims({f"claim{i}": tree for i in range(8)})))
    assert alone.verdict == "supported"
    assert many[0].verdict == "inconclusive"
    assert many[0].p_holm == pytest.approx(8 * many[0].p_value)
    assert "shown alone" in many[0].reason
    effect, decisive = many[0].evidence.effect, many[0].decisive
    assert effect is not None
    assert effect.interval is not None
    assert decisive is not None
    assert effect.interval[1] < 0 < decisive[1]  # the page shows the second beside the first


def test_the_order_of_the_runs_does_not_matter() -> None:
    tree: dict[str, Any] = {"statement": "x", "direction": "lower"}
    tree["compare"] = [{"model.name": "c"}, {"model.name": "b"}]
    study = view(*net("c", 4.8), *net("b", 5.0), claims=parse_claims({"mine": tree}))
    reversed_study = dataclasses.replace(study, runs=tuple(reversed(study.runs)))
    assert json.dumps(claims_record(study)) == json.dumps(claims_record(reversed_study))


@pytest.mark.slow
def test_the_papers_own_numbers_give_the_papers_conclusions(tmp_path: Any) -> None:
    study = paper_study(tmp_path)
    record = claims_record(study)
    verdicts = {claim["claim"]: claim["verdict"] for claim in record["claims"]}
    assert set(verdicts.values()) == {"supported"}
    assert set(verdicts) == set(study.claims) - {"batch_norm", "batch_norm_trains"}
    effects = [claim["effect"] for claim in record["claims"]]
    assert all(effect and effect["paired_by_image"] for effect in effects)


def test_sides_that_are_averaged_over_nets_show_the_errors_that_are_compared() -> None:
    """E trained with batch norm alone: the difference is of A and B, and so is all beside it."""
    points = [
        p
        for norm, errors in (("batch", (8.0, 9.0, 14.0)), ("none", (9.0, 10.0, None)))
        for model, error in zip("abe", errors, strict=True)
        for p in (
            net(model, error, norm=norm)
            if error
            else [run(model, s, None, norm=norm, state=State.UNTRAINABLE) for s in range(5)]
        )
    ]
    sides = [{"norm.name": "batch"}, {"norm.name": "none"}]
    tree: dict[str, Any] = {"statement": "x", "direction": "lower", "compare": sides}
    tree |= {"average_over": ["model.name"], "margin_share": 1.0, "margin_reason": "y"}
    (found,) = claims_record(view(*points, claims=parse_claims({"mine": tree})))["claims"]
    errors: list[Any] = [side["error"] for side in found["sides"]]
    effect = found["effect"]
    assert effect is not None
    assert errors == pytest.approx([8.5, 9.5], abs=0.05)
    assert errors[0] - errors[1] == pytest.approx(effect["mean"], abs=1e-6)
    assert found["relative"] == pytest.approx(100 * effect["mean"] / errors[1], abs=1e-4)
    assert found["margin"] == pytest.approx(errors[1] / 100, abs=1e-6)
    assert found["averaged_over"] == [{"model.name": "a"}, {"model.name": "b"}]
    assert found["reason"] == "without model.name=e, of which too few runs trained on a side"


@pytest.mark.slow
def test_the_interval_that_decides_leaves_a_bound_out_where_the_word_is_given() -> None:
    """Of "do not differ" also outside of the band, and of an order with its many tests."""
    random = np.random.default_rng(5)
    seen = set()
    for direction, models in (("equal", "cb"), ("lower", "cba"), ("lower", "cb"), ("falls", "abd")):
        margin = {"falls": 0.0, "lower": 0.3, "equal": 0.6}[direction]
        for size in np.linspace(-1.2, 1.2, 25):
            points = [
                run(model, s, 5.0 + size * i + random.normal(0, 0.15))
                for i, model in enumerate(models)
                for s in range(4)
            ]
            for point in points:
                point.result["errors"]["center"]["images"] = 10_000_000
            found = judged(direction, models, *points, **({"margin": margin} if margin else {}))
            assert found.decisive is not None
            low, high = found.decisive
            bounds = found.direction.bounds(found.margin)
            clear = all(not low <= bound <= high for bound in bounds)
            of_effect = clear and (direction != "equal" or high < -margin or low > margin)
            if direction == "equal":
                inside = -margin < low and high < margin
                assert found.is_settled == (inside or of_effect), (size, found.decisive)
            elif len(models) == 2:
                assert found.is_settled == clear, (direction, size, found.decisive)
            elif clear and low > bounds[0]:  # against it, in spite of the number of tests
                assert found.is_settled, (direction, size, found.decisive)
            seen.add((direction, str(found.verdict)))
    assert len(seen) == 9


@pytest.mark.parametrize(("direction", "mean"), [("lower", 0.6), ("lower", -0.6), ("equal", 0.6)])
def test_seeds_wanted_are_those_of_the_word_that_the_truth_would_give(
    direction: str, mean: float
) -> None:
    """One fifth of the level, or half of it, takes more seeds than the claim's own side."""
    random = np.random.default_rng(2)
    noise = random.normal(0, 0.9, (2, 4))
    noise -= noise.mean(axis=1, keepdims=True)
    errors = [[5.0 + mean, *noise[0]], [5.0, *noise[1]]]
    points = [
        run(model, s, of_net[0] + of_net[1 + s])
        for model, of_net in zip("cb", errors, strict=True)
        for s in range(4)
    ]
    for point in points:
        point.result["errors"]["center"]["images"] = 10_000_000
    margin: dict[str, Any] = {"margin": 0.2} if direction == "equal" else {}
    found = judged(direction, "cb", *points, **margin)
    assert not found.is_settled
    effect = found.evidence.effect
    assert effect is not None
    assert effect.noise is not None
    share = {("lower", 0.6): 0.2, ("lower", -0.6): 0.8, ("equal", 0.6): 0.5}[direction, mean]
    distance = abs(mean) - found.margin
    # They would be another look, for which a study without declared looks has a tenth left.
    many = seeds_to_show(effect.noise, distance, ALPHA * share / 10)
    assert seeds_wanted(found, 1) == many
    in_one_look = seeds_to_show(effect.noise, distance, ALPHA * share)
    assert seeds_wanted(found, 1, counts_looks=False) == in_one_look
    assert many is not None
    assert in_one_look is not None
    assert many > in_one_look
