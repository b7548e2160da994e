"""Claims of several differences: the seeds and differences that are named show them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from study_points import missing, run, view

from vgglab.config.claims import parse_claims
from vgglab.study.claims.contrast import Group, Measured
from vgglab.study.claims.directions import DIRECTIONS, lower_tests, trend_tests, trend_weights
from vgglab.study.claims.evidence import CLAIMED, OTHER
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.power import (
    MOST_SEEDS,
    POWER,
    Noise,
    Part,
    chance,
    chance_of_all,
    detectable,
    detectable_by_all,
    seeds_to_show,
    seeds_to_show_all,
)
from vgglab.study.claims.verdict import Judgement, judge
from vgglab.study.claims.wanted import seeds_wanted
from vgglab.study.forecast import resolutions

SPREAD, TAIL, STUDIES = 0.3, 0.04 / 4, 1000
LAYERS = (11.0, 13.0, 16.0, 16.0, 19.0)
TREND = trend_weights(LAYERS)


def measured(weights: Sequence[float], errors: np.ndarray[Any, Any]) -> Measured:
    """A contrast of nets (nets, seeds) that start from weights of their own."""
    used = [
        Group(tuple(map(float, weight * row)))
        for weight, row in zip(weights, errors, strict=True)
        if weight
    ]
    return Measured(tuple(used), 0.0, None, paired=False)


def noise_of(weights: Sequence[float]) -> Noise:
    sizes = np.square([weight for weight in weights if weight])
    alike = float(sizes.sum() ** 2 / np.square(sizes).sum())
    return Noise(SPREAD * float(np.sqrt(sizes.sum())), 0.0, samples=alike)


def less(first: int, second: int, nets: int) -> tuple[float, ...]:
    return tuple(float(place == first) - float(place == second) for place in range(nets))


STEPS = [less(later, later - 1, len(LAYERS)) for later in range(1, len(LAYERS))]


def drawn(means: Sequence[float], seeds: int, random: np.random.Generator) -> Any:
    return np.array(means)[:, None] + random.normal(0, SPREAD, (len(means), seeds))


@pytest.mark.parametrize("seeds", [3, 6])
def test_a_net_is_shown_below_all_others_as_often_as_is_said(seeds: int) -> None:
    contrasts = [less(0, other, 4) for other in range(1, 4)]
    limits = DIRECTIONS["lower"].limits(range(4), 0.0)
    parts = [
        Part(noise_of(weights), limit.distance, limit.share)
        for weights, limit in zip(contrasts, limits, strict=True)
    ]
    effect, of_one = detectable_by_all(parts, seeds, TAIL), detectable(parts[0].noise, seeds, TAIL)
    assert effect is not None
    assert of_one is not None

    def share(distance: float) -> float:
        random = np.random.default_rng(seeds)
        shown = 0
        for _ in range(STUDIES):
            errors = drawn([0, distance, distance, distance], seeds, random)
            tests = lower_tests([measured(weights, errors) for weights in contrasts], 0.0)
            shown += tests.supports.p_value <= TAIL
        return shown / STUDIES

    assert 0.78 < share(effect) < 0.95
    assert share(of_one) < 0.75  # what one difference alone takes


def falling(margin: float) -> list[Part]:
    """The line and the steps from A to E."""
    limits = DIRECTIONS["falls"].limits(LAYERS, margin)
    return [
        Part(noise_of(weights), limit.distance, limit.share)
        for weights, limit in zip([TREND, *STEPS], limits, strict=True)
    ]


@pytest.mark.parametrize(("seeds", "margin"), [(3, 3.0), (6, 0.75), (6, 1.5), (12, 0.5)])
def test_a_falling_error_is_shown_in_every_step_as_often_as_is_said(
    seeds: int, margin: float
) -> None:
    parts, random = falling(margin), np.random.default_rng(seeds)
    effect, of_line = detectable_by_all(parts, seeds, TAIL), detectable(parts[0].noise, seeds, TAIL)
    assert effect is not None
    assert of_line is not None
    assert effect >= of_line
    shown = 0
    for _ in range(STUDIES):
        means = [-effect * (place - LAYERS[0]) / (LAYERS[-1] - LAYERS[0]) for place in LAYERS]
        errors = drawn(means, seeds, random)
        steps = [measured(weights, errors) for weights in STEPS]
        tests = trend_tests(measured(TREND, errors), steps, margin)
        shown += tests.supports.p_value <= TAIL
    assert 0.76 < shown / STUDIES < 0.95


def test_no_fall_shows_a_step_that_has_no_share_of_it() -> None:
    """C and D have as many layers: only the margin tells that the error does not rise there."""
    assert detectable_by_all(falling(0.3), 6, TAIL) is None
    assert detectable_by_all(falling(0.0), 100, TAIL) is None
    assert detectable_by_all(falling(0.3), 100, TAIL) is not None


def test_one_part_is_one_difference() -> None:
    noise = Noise(0.5, 0.1)
    assert chance_of_all([Part(noise, 1.0)], 5) == pytest.approx(chance(noise, 1.0, 5))
    assert detectable_by_all([Part(noise, 0.0, 1.0)], 5) == pytest.approx(detectable(noise, 5))
    assert seeds_to_show_all([Part(noise, 1.0)], 0.01) == seeds_to_show(noise, 1.0, 0.01)


def test_every_part_takes_its_seeds() -> None:
    near, far = Part(Noise(0.5, 0.0), 0.5), Part(Noise(0.5, 0.0), 5.0)
    alone, both = (seeds_to_show_all(parts, 0.01) for parts in ([near], [near, far]))
    assert alone is not None
    assert alone == both
    twice = seeds_to_show_all([near, near], 0.01)
    assert twice is not None
    assert twice > alone
    assert chance_of_all([near, near], twice, 0.01) >= POWER
    assert seeds_to_show_all([near, Part(Noise(0.1, 1.0), 0.5)], 0.01) is None
    assert detectable_by_all([Part(Noise(0.5, 0.0), 0.0, 1.0)], 1) is None


def judged(direction: str, errors: dict[str, list[float]], margin: float = 0.0) -> Any:
    tree: dict[str, Any] = {
        "statement": "x",
        "direction": direction,
        "compare": [{"model.name": model} for model in errors],
    }
    if margin:
        tree |= {"margin": margin, "margin_reason": "because"}
    points = [
        run(model, seed, error) for model, of in errors.items() for seed, error in enumerate(of)
    ]
    for point in points:
        point.result["errors"]["center"]["images"] = 10_000_000
    found = view(*points, claims=parse_claims({"mine": tree}))
    return judge(found)[0][0], found


NOISE = [0.6, -0.5, 0.3, -0.4]
"""Of four seeds; their mean is 0."""


def spread(mean: float, scale: float = 1.0) -> list[float]:
    return [mean + scale * noise for noise in NOISE]


def tail_of(found: Judgement, share: float) -> float:
    return found.rule.tail_at_the_end(ALPHA * share, found.look + 1)


def test_the_step_that_is_shown_last_says_how_many_seeds_a_falling_error_takes() -> None:
    found, study = judged("falls", {"a": spread(20), "b": spread(12), "e": spread(12.2)}, 1.0)
    assert not found.is_settled
    line, (_, step) = found.evidence.effect, found.evidence.parts
    tail = tail_of(found, CLAIMED)
    of_line = seeds_to_show(line.noise, -line.mean, tail)
    of_step = seeds_to_show(step.noise, 1.0 - step.mean, tail)
    assert of_line is not None
    assert of_step is not None
    wanted = seeds_wanted(found, 1)
    assert wanted is not None
    assert of_line < of_step <= wanted < MOST_SEEDS
    (planned,) = resolutions(study)
    assert planned.wanted == wanted


def test_a_step_that_rises_by_more_says_how_many_seeds_its_contrary_takes() -> None:
    found, _ = judged("falls", {"a": spread(20), "b": spread(12), "e": spread(13.5)}, 1.0)
    assert not found.is_settled
    step = found.evidence.parts[1]
    tests = len(found.evidence.parts) + 1
    tail = tail_of(found, OTHER / tests)
    assert seeds_wanted(found, 1) == seeds_to_show(step.noise, step.mean - 1.0, tail)


def test_what_a_falling_error_shows_is_unknown_before_its_margin_is() -> None:
    """A share of the error of A, of which no run has finished: the noise alone is known by then,
    from another claim."""
    falls = {"compare": [{"model.name": model} for model in "abe"], "direction": "falls"}
    lower = {"compare": [{"model.name": model} for model in "be"], "direction": "lower"}
    asked = {"margin_share": 5.0, "margin_reason": "because", "statement": "x"}
    claims = parse_claims({"fall": falls | asked, "pair": lower | {"statement": "x"}})
    runs = [run(model, seed, 9.0 + NOISE[seed]) for model in "be" for seed in range(4)]
    later = [missing("a", seed) for seed in range(4)]
    before = {found.claim: found for found in resolutions(view(*runs, *later, claims=claims))}
    assert before["pair"].detectable is not None
    assert (before["fall"].detectable, before["fall"].noise) == (None, None)
    runs += [run("a", seed, 12.0 + NOISE[seed]) for seed in range(4)]
    after = {found.claim: found for found in resolutions(view(*runs, claims=claims))}
    assert after["fall"].noise is not None


def test_all_others_count_where_a_net_is_said_to_be_the_best() -> None:
    errors = {"c": spread(11.4), "b": spread(12), "a": spread(12)}
    found, study = judged("lower", errors)
    two, _ = judged("lower", {"c": errors["c"], "b": errors["b"]})
    assert not found.is_settled
    assert not two.is_settled
    of_two, of_all = seeds_wanted(two, 1), seeds_wanted(found, 1)
    assert of_two is not None
    assert of_all is not None
    assert of_two < of_all < MOST_SEEDS
    (planned,) = resolutions(study)
    assert planned.detectable is not None
    assert planned.detectable > 0
