"""A small calibration; ``benchmarks/calibration.py`` is the large one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from calibration import (
    EQUAL,
    ONE_POINT,
    QUICKSTART,
    SCENARIOS,
    Scenario,
    error_rates,
    same_words,
)
from judged_studies import fixed, looking, until_a_word
from simulated_studies import Population, fit, mistakes, scores

STUDIES = 80


LIMIT = 5 + 3 * 100 * np.sqrt(0.05 * 0.95 / STUDIES)
"""Percent: three standard errors above 5."""


@pytest.fixture(scope="module", params=["on the margins", "E fails in a tenth", "shared originals"])
def happened(request: pytest.FixtureRequest) -> dict[str, float]:
    """Share of simulated studies with three seeds, percent, in which each thing happened."""
    scenario = dataclasses.replace(SCENARIOS[request.param], images=400)
    return error_rates(scenario, fixed, 3, STUDIES)


@pytest.mark.slow
def test_false_words_are_rare_and_intervals_cover(happened: dict[str, float]) -> None:
    assert happened["any false"] <= LIMIT
    assert happened["covers"] >= 91


def test_true_differences_are_shown() -> None:
    errors = {"a": 20.0, "a_lrn": 16.0, "b": 16.0, "c": 12.0, "d": 8.0, "e": 4.0}
    scenario = Scenario(QUICKSTART, errors, images=400, claims=ONE_POINT)
    found = error_rates(scenario, fixed, 5, 50)
    assert found["settled"] > 3
    assert found["any false"] == 0


@pytest.mark.slow
def test_looks_take_fewer_runs_and_keep_the_error_rate() -> None:
    looks = (2, 4, 8)
    equal = Scenario(QUICKSTART, EQUAL, images=400, claims=ONE_POINT)
    found = error_rates(equal, looking(looks), looks[-1], 60)
    assert found["any false"] <= LIMIT
    apart = dataclasses.replace(equal, errors={name: 4.0 + 4 * i for i, name in enumerate(EQUAL)})
    assert error_rates(apart, looking(looks), looks[-1], 20)["runs"] < found["runs"]


@pytest.mark.slow
def test_seeds_added_until_a_word_comes_talk_nobody_into_one() -> None:
    scenario = Scenario(QUICKSTART, EQUAL, images=200, claims=ONE_POINT)
    found = error_rates(scenario, until_a_word((2, 3, 4, 5)), 5, 40)
    assert found["any false"] <= 5 + 3 * 100 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.slow
def test_run_folders_and_their_report_give_the_same_words() -> None:
    scenario = dataclasses.replace(SCENARIOS["shared originals"], images=800)
    assert same_words(scenario, 2) == 2


def test_drawn_studies_have_the_errors_asked_for() -> None:
    population = Population(difficulty=1.5, taste=0.5, shift=0.1)
    (drawn,) = scores(
        population, nets=2, seeds=3, images=300, studies=500, random=np.random.default_rng(0)
    )
    error_k = mistakes(drawn, population, [10.0, 30.0]).mean(axis=(0, 2, 3))
    assert 100 * error_k == pytest.approx([10.0, 30.0], abs=0.5)


def test_fit_finds_the_population() -> None:
    truth = Population(difficulty=1.6, taste=0.6, shift=0.12)
    (drawn,) = scores(
        truth, nets=6, seeds=8, images=20_000, studies=1, random=np.random.default_rng(1)
    )
    found = fit(mistakes(drawn, truth, [12, 14, 16, 18, 20, 22])[0])
    assert found.difficulty == pytest.approx(truth.difficulty, rel=0.1)
    assert found.taste == pytest.approx(truth.taste, rel=0.15)
    assert found.shift == pytest.approx(truth.shift, rel=0.4)
