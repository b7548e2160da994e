"""Where along an order the error is least: places that may be the best, the curve, the words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from study_points import net, view

from vgglab.config.claims import parse_claims
from vgglab.report.wording import unit_of
from vgglab.runs import RunRecord
from vgglab.study import ClaimRecord, claims_record
from vgglab.study.claims.best import Beaten, Best, best_of, range_text
from vgglab.study.claims.contrast import sums_of_originals
from vgglab.study.claims.curve import Parabola, curve_of, is_off, lowest_ends
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.pairing import Cell, Paired
from vgglab.study.claims.sides import LAYERS
from vgglab.study.fits import fits, fits_record
from vgglab.study.forecast import resolutions

PLACES = (11.0, 13.0, 16.0, 19.0)
Errors = tuple[float, ...]


def paired(
    errors_ks: Any, places: Errors = PLACES, wrong_ksi: Any = None, weights: tuple[int, ...] = ()
) -> Paired:
    """Nets with these errors at these places, each with weights of its own unless said."""
    cells = tuple(
        Cell(
            side=k,
            average=0,
            weights=weights[k] if weights else k,
            seeds=tuple(range(len(errors_s))),
            untrained=(),
            errors_s=np.asarray(errors_s, dtype=float),
            sums_so=None
            if wrong_ksi is None
            else sums_of_originals(100.0 * wrong_ksi[k], np.arange(wrong_ksi.shape[-1])),
        )
        for k, errors_s in enumerate(errors_ks)
    )
    images = None if wrong_ksi is None else wrong_ksi.shape[-1]
    return Paired(cells, len(cells), (), places, images)


def drawn(
    errors: Errors, places: Errors, *, seeds: int = 5, sd: float = 0.01, seed: int = 0
) -> Paired:
    random = np.random.default_rng(seed)
    spread_k = sd * np.linspace(0.6, 1.4, len(errors))
    noise_ks = spread_k[:, None] * random.standard_normal((len(errors), seeds))
    return paired(np.asarray(errors)[:, None] + noise_ks, places)


def bent(lowest: float, places: Errors = PLACES) -> Errors:
    """A parabola in the logarithm of the place."""
    return tuple(11 + 20 * (np.log(places) - np.log(lowest)) ** 2)


@pytest.mark.parametrize(
    ("errors", "may_be", "text"),
    [
        ((14.0, 12.0, 11.0, 12.0), (16.0,), "16"),
        ((14.0, 12.0, 12.0, 14.0), (13.0, 16.0), "13 to 16"),
        ((16.0, 14.0, 12.0, 11.0), (19.0,), "at or beyond 19"),
        ((16.0, 13.0, 12.0, 12.0), (16.0, 19.0), "at or beyond 16"),
        ((11.0, 12.0, 14.0, 16.0), (11.0,), "at or below 11"),
        ((12.0, 12.0, 12.0, 12.0), PLACES, "anywhere from 11 to 19, or beyond"),
    ],
)
def test_the_places_that_may_be_the_best(errors: Errors, may_be: Errors, text: str) -> None:
    best = best_of(drawn(errors, PLACES))
    assert best is not None
    assert best.may_be(ALPHA) == may_be
    assert best.text(ALPHA) == text
    assert best.place in best.may_be(0.49)  # the least mean is never shown not to be the best


def test_sides_in_any_order_stand_along_the_order() -> None:
    best = best_of(drawn((12.0, 11.0, 12.0, 14.0), (19.0, 16.0, 13.0, 11.0)))
    assert best is not None
    assert best.places == PLACES
    assert best.errors == pytest.approx((14.0, 12.0, 11.0, 12.0), abs=0.03)
    assert best.may_be(ALPHA) == (16.0,)


def test_rivals_that_are_shown_to_be_worse_are_not_counted() -> None:
    """Of eight depths two are any good: they are compared with each other alone."""
    places = tuple(float(place) for place in range(8))
    best = best_of(drawn((30.0, 25.0, 20.0, 11.0, 11.0, 20.0, 25.0, 30.0), places))
    assert best is not None
    assert [test.rivals for test in best.tests[3:5]] == [1, 1]
    assert best.tests[0].rivals == 7


def test_one_seed_shows_nothing() -> None:
    best = best_of(paired([[14.0], [12.0], [11.0], [12.0]]))
    assert best is not None
    assert best.seeds == 1
    assert best.may_be(ALPHA) == PLACES


def test_a_stricter_level_leaves_more_places() -> None:
    tests = (Beaten(0.001, 2), Beaten(0.01, 2), Beaten(0.6, 2))
    best = Best((1.0, 2.0, 3.0), (9.0, 8.0, 7.0), tests, 5)
    assert [best.ends(level) for level in (0.05, 0.015, 0.001)] == [(3, 3), (2, 3), (1, 3)]
    assert range_text((2.0, 2.0), best.places) == "2"


@pytest.mark.parametrize(
    ("errors", "may_be"),
    [
        (((0.0, 0.0), (0.0, 0.0), (0.0, 0.0)), (1.0, 2.0, 3.0)),  # all nets are perfect
        (((10.0, 10.0), (12.0, 12.0), (13.0, 13.0)), (1.0, 2.0, 3.0)),  # rounded
        (((9.9, 9.8, 10.0, 9.9, 9.9), (10.0,) * 5, (14.0,) * 5), (1.0, 2.0)),
    ],
)
def test_of_runs_that_agree_to_the_last_digit_no_place_is_shown_not_to_be_the_best(
    errors: Any, may_be: Errors
) -> None:
    """The least error of all was: 1 less a p-value of 1 is no evidence where nothing is tested."""
    best = best_of(paired(errors, (1.0, 2.0, 3.0)))
    assert best is not None
    assert best.may_be(ALPHA / 4) == may_be


@pytest.mark.parametrize("errors", [(12.0,) * 4, (16.0, 13.0, 12.0, 12.0), bent(15)])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_true_best_is_rarely_left_out(errors: Errors, seeds: int) -> None:
    """A small calibration; benchmarks/best_depth.py is the large one."""
    best_k = np.flatnonzero(np.asarray(errors) == min(errors))
    held = []
    for seed in range(100):
        best = best_of(drawn(errors, PLACES, seeds=seeds, sd=0.7, seed=seed))
        assert best is not None
        held += [PLACES[k] in best.may_be(ALPHA) for k in best_k]
    assert np.mean(held) > 0.92


@pytest.mark.parametrize("lowest", [11.0, 15.0, 19.0])
def test_the_curve_finds_its_lowest_place_and_is_rarely_wrong(lowest: float) -> None:
    shape, held = Parabola(PLACES), []
    for seed in range(25):
        found = drawn(bent(lowest), PLACES, sd=0.3, seed=seed)
        low, high = lowest_ends(found, shape)
        held.append(low <= lowest <= high)
    assert np.mean(held) >= 0.9
    curve = curve_of(drawn(bent(lowest), PLACES))
    assert curve is not None
    assert curve.lowest == pytest.approx(lowest, abs=0.2)
    assert curve.ends[0] <= curve.lowest <= curve.ends[1]
    assert curve.ends[1] - curve.ends[0] < 1
    at = np.interp(13.0, curve.places, curve.errors)
    assert at == pytest.approx(bent(lowest)[1], abs=0.1)
    assert all(low < error < high for low, error, high in zip(
        curve.low, curve.errors, curve.high, strict=True))  # fmt: skip


def test_a_curve_that_falls_to_the_end_is_lowest_there_or_beyond() -> None:
    curve = curve_of(drawn(bent(30.0), PLACES))
    assert curve is not None
    assert (curve.lowest, curve.ends) == (19.0, (19.0, 19.0))


def test_a_flat_curve_may_be_lowest_anywhere() -> None:
    curve = curve_of(drawn((12.0,) * 4, PLACES, sd=0.5, seed=4))
    assert curve is not None
    assert curve.ends == (11.0, 19.0)


def test_where_an_error_lies_off_the_parabola_there_is_no_curve() -> None:
    places = (9.0, 11.0, 13.0, 16.0, 19.0, 25.0)
    cliff = drawn((14.0, 12.5, 11.5, 11.0, 12.0, 40.0), places)
    assert is_off(cliff, Parabola(places), ALPHA)
    assert curve_of(cliff) is None
    assert curve_of(drawn((14.0, 12.0, 11.0), PLACES[:3])) is None  # any three lie on one
    assert curve_of(paired([[14.0], [12.0], [11.0], [12.0]])) is None  # no noise is known


def test_the_parabola_is_of_the_place_itself_where_one_is_not_above_zero() -> None:
    places = (0.0, 1.0, 2.0, 3.0)
    shape = Parabola(places)
    assert not shape.is_log
    assert shape.lowest([4.0, 1.0, 0.0, 1.0]) == pytest.approx(2.0)
    assert shape.lowest([0.0, 3.0, 4.0, 3.0]) == 0.0  # it has a top
    assert shape.error_weights(1.5) @ np.array([4.0, 1.0, 0.0, 1.0]) == pytest.approx(0.25)


def test_condensed_errors_give_the_same_contrasts() -> None:
    random = np.random.default_rng(1)
    wrong_ksi = random.random((4, 3, 400)) + 0.3 * random.random(400) > 0.9
    whole = paired(100 * wrong_ksi.mean(axis=2), wrong_ksi=wrong_ksi, weights=(0, 0, 1, 2))
    few = whole.condensed()
    assert few.cells[0].sums_so is not None
    assert few.cells[0].sums_so.shape == (3, 12)
    for weights in ((1, -1, 0, 0), (0.2, 0.3, -0.4, -0.1), (1, 0, -1, 0)):
        one, other = whole.contrast(weights), few.contrast(weights)
        assert one is not None
        assert other is not None
        assert other.interval == pytest.approx(one.interval, rel=1e-9)
        assert other.image_variance == pytest.approx(one.image_variance, rel=1e-6, abs=1e-12)


def judged(errors: Errors, *, seeds: int = 5, **fields: Any) -> ClaimRecord:
    reason = {"margin_reason": "because"} if "margin" in fields else {}
    sides = [{"model.name": model} for model in "abde"]
    tree = {"statement": "x", "direction": "best_at", "compare": sides} | reason | fields
    points = [p for m, e in zip("abde", errors, strict=True) for p in net(m, e, seeds=seeds)]
    (found,) = claims_record(view(*points, claims=parse_claims({"mine": tree})))["claims"]
    return found


INSIDE, TIE, FALLS, RISES, FLAT = (
    (14.0, 12.0, 11.0, 12.0),
    (14.0, 12.0, 12.0, 14.0),
    (16.0, 14.0, 12.0, 11.0),
    (11.0, 12.0, 14.0, 16.0),
    (12.0, 12.0, 12.0, 12.0),
)


@pytest.mark.parametrize(
    ("errors", "best", "margin", "verdict"),
    [
        (INSIDE, {"at": 16}, 0, "supported"),
        (INSIDE, {"at": 13}, 0, "contradicted"),
        (INSIDE, {"at": 15}, 1, "supported"),
        (INSIDE, {"at_or_beyond": 19}, 0, "contradicted"),
        (INSIDE, {"at_or_beyond": 13}, 0, "supported"),
        (INSIDE, {"at_or_below": 13}, 0, "contradicted"),
        (TIE, {"at": 16}, 0, "inconclusive"),
        (TIE, {"at": 14}, 2, "supported"),
        (FALLS, {"at": 16}, 0, "contradicted"),
        (FALLS, {"at_or_beyond": 19}, 0, "supported"),
        (FALLS, {"at": 19}, 0, "inconclusive"),  # it may lie beyond
        (FALLS, {"at": 19}, 3, "inconclusive"),
        (RISES, {"at_or_below": 11}, 0, "supported"),
        (RISES, {"at_or_below": 8}, 3, "supported"),
        (FLAT, {"at": 16}, 3, "inconclusive"),
        (FLAT, {"at_or_beyond": 19}, 0, "inconclusive"),
    ],
)
def test_words(errors: Errors, best: dict[str, float], margin: float, verdict: str) -> None:
    fields: dict[str, Any] = {"margin": float(margin)} if margin else {}
    assert judged(errors, best=best, **fields)["verdict"] == verdict


def test_why_nothing_is_shown() -> None:
    assert "19 is an end of what was tried" in judged(FALLS, best={"at": 19})["reason"]
    assert "none of the places tried (11, 13, 16, 19)" in judged(INSIDE, best={"at": 15})["reason"]
    one_seed = judged(INSIDE, best={"at": 16}, seeds=1)
    assert (one_seed["verdict"], one_seed["decisive"]) == ("inconclusive", None)
    assert "one seed" in one_seed["reason"]


def test_the_record_has_the_places() -> None:
    found = judged(TIE, best={"at": 16})
    assert found["effect"] is None
    assert found["decisive"] == [13.0, 16.0]
    best = found["best"]
    assert best is not None
    assert (best["at"], best["at_or_beyond"], best["text"]) == (16.0, None, "13 to 16")
    assert best["may_be"] == [13.0, 16.0]
    assert len(best["p_values"]) == 4


def test_along_any_field_and_corrected_with_the_other_claims() -> None:
    """Four claims: what one alone would show by a hair is not shown among them."""
    random = np.random.default_rng(3)
    points = [
        point
        for width, error in ((0.25, 13.0), (0.5, 12.0), (1.0, 11.0))
        for point in net("a", error, width=width)
    ]
    for point in points:
        point.result["errors"]["center"]["top1_error"] += 0.3 * random.standard_normal()
    sides = [{"model.width": width} for width in (0.25, 0.5, 1.0)]
    tree = {"statement": "x", "direction": "best_at", "compare": sides, "best": {"at_or_beyond": 1}}
    words = []
    for count in (1, 4):
        claims = parse_claims({f"c{i}": tree for i in range(count)})
        found = claims_record(view(*points, claims=claims))["claims"][0]
        assert found["places"] == [0.25, 0.5, 1.0]
        words.append((found["verdict"], found["p_holm"]))
    assert words[0][0] == "supported"
    assert words[1][1] == pytest.approx(min(1.0, 4 * words[0][1]), abs=1e-5)
    assert words[1][0] == "inconclusive"


def test_a_plan_promises_no_difference_of_it() -> None:
    sides = [{"model.name": model} for model in "abd"]
    tree = {"statement": "x", "direction": "best_at", "compare": sides, "best": {"at": 13}}
    points = [p for model in "abd" for p in net(model, 5.0)]
    (found,) = resolutions(view(*points, claims=parse_claims({"mine": tree})))
    assert (found.noise, found.detectable) == (None, None)


def layered(model: str, layers: int, error: float, **fields: Any) -> list[RunRecord]:
    return net(model, error, layers=layers, **fields)


def test_a_studys_orders_are_found() -> None:
    """Depth at each norm, and the width of one net; two places or a mixture make no order."""
    points = [
        *layered("a", 11, 14.0), *layered("b", 13, 12.0), *layered("c", 16, 9.0),
        *layered("d", 16, 11.0), *layered("e", 19, 12.0),
        *layered("a", 11, 15.0, norm="none"), *layered("b", 13, 15.0, norm="none"),
        *layered("a", 11, 13.0, width=0.5), *layered("a", 11, 12.0, width=1.0),
    ]  # fmt: skip
    depth, width = fits(view(*points))
    assert (depth.factor, depth.best.places, depth.best.place) == (LAYERS, PLACES, 16.0)
    assert [arm.model for arm in depth.arms] == ["a", "b", "d", "e"]  # C is beside the line
    assert depth.curve is None or 13 < depth.curve.lowest < 19
    assert (width.factor, width.best.places) == ("model.width", (0.25, 0.5, 1.0))
    assert width.best.text(ALPHA) == "at or beyond 1"
    record, _ = fits_record(view(*points))
    assert (record["best"], record["may_be"], record["text"]) == (16.0, [16.0], "16")


def test_one_seed_makes_no_fit() -> None:
    points = [p for m, n in zip("abde", (11, 13, 16, 19), strict=True)
              for p in layered(m, n, 12.0, seeds=1)]  # fmt: skip
    assert fits(view(*points)) == []


@pytest.mark.parametrize(
    ("best", "verdict"), [({"at": 16}, "supported"), ({"at_or_below": 13}, "contradicted")]
)
def test_what_may_differ_besides_moves_no_net_from_its_place(
    best: dict[str, float], verdict: str
) -> None:
    """A learning rate that the claim ignores stood for an order, and 2 was taken for the best."""
    sides = [{"model.name": model} for model in "abde"]
    rates = {"a": 0.05, "b": 0.05, "d": 0.02, "e": 0.02}
    tree = {"statement": "x", "direction": "best_at", "compare": sides, "best": best}
    claims = parse_claims({"mine": tree | {"ignore": ["recipe.learning_rate"]}})
    points = [
        point
        for model, error in zip("abde", (9.0, 8.0, 5.0, 12.0), strict=True)
        for point in net(model, error, learning_rate=rates[model])
    ]
    (found,) = claims_record(view(*points, claims=claims))["claims"]
    assert found["places"] == [11, 13, 16, 19]
    assert found["verdict"] == verdict
    assert unit_of(found) == "weight layers"


def test_a_field_is_the_order_also_where_another_may_differ() -> None:
    sides = [{"model.width": width} for width in (0.25, 0.5, 1.0)]
    tree = {"statement": "x", "direction": "best_at", "compare": sides, "best": {"at": 0.5}}
    claims = parse_claims({"mine": tree | {"ignore": ["recipe.learning_rate"]}})
    points = [
        point
        for width, error, rate in ((0.25, 9.0, 0.05), (0.5, 5.0, 0.02), (1.0, 9.0, 0.01))
        for point in net("a", error, width=width, learning_rate=rate)
    ]
    (found,) = claims_record(view(*points, claims=claims))["claims"]
    assert (found["places"], found["verdict"]) == ([0.25, 0.5, 1.0], "supported")
    assert unit_of(found) == "model.width"
