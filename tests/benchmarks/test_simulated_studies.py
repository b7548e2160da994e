"""A small calibration; ``benchmarks/calibration.py`` is the large one."""

from __future__ import annotations

import numpy as np
import pytest
from calibration import POPULATIONS, simulate
from simulated_studies import Population, fit, mistakes, scores

STUDIES = 300


@pytest.fixture(scope="module", params=[3, 5])
def happened(request: pytest.FixtureRequest) -> dict[str, float]:
    """Share of simulated studies, percent, in which each thing happened."""
    return simulate(POPULATIONS["unlike nets"], request.param, 500, STUDIES)


@pytest.mark.parametrize("verdict", ["lower", "falls", "lower than both", "any of 4, Holm"])
def test_what_is_not_so_is_seldom_supported(happened: dict[str, float], verdict: str) -> None:
    assert happened[verdict] <= 5 + 3 * 100 * np.sqrt(0.05 * 0.95 / STUDIES)


def test_a_difference_at_the_margin_is_seldom_called_none(happened: dict[str, float]) -> None:
    assert happened["equal 2 at 2"] <= 5 + 3 * 100 * np.sqrt(0.05 * 0.95 / STUDIES)


def test_intervals_cover(happened: dict[str, float]) -> None:
    for effect in (0, 1, 4):
        assert 91 <= happened[f"covers {effect}"] <= 99


def test_a_large_difference_is_shown_and_one_seed_shows_anything(
    happened: dict[str, float],
) -> None:
    assert happened["lower 4"] > 60
    assert happened["one seed"] > 35  # of nets that do not differ


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
