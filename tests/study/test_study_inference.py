from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vgglab.study.claims.contrast import Measured, image_variance
from vgglab.study.claims.inference import half_width, holm, upper_tail
from vgglab.study.claims.power import Noise, chance, detectable, seeds_needed

SEEDS = [2, 3, 5, 10]


@pytest.mark.parametrize("seeds", SEEDS)
def test_without_image_noise_it_is_the_paired_t_test(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(0.4, 0.5, seeds)
    found = Measured(tuple(values), image_variance=0.0, images=None, paired=False)
    reference = stats.ttest_1samp(values, 0)
    expected = reference.confidence_interval(0.95)
    assert found.interval == pytest.approx((expected.low, expected.high), rel=1e-5)
    two_sided = 2 * min(found.p_below(0), found.p_above(0))
    assert two_sided == pytest.approx(reference.pvalue, rel=1e-5)


def test_without_seed_noise_it_is_the_normal_test() -> None:
    assert half_width(1e-12, 4.0, 3) == pytest.approx(2 * stats.norm.isf(0.025), rel=1e-4)
    assert upper_tail(2.0, 1e-12, 1.0, 3) == pytest.approx(stats.norm.sf(2.0), rel=1e-4)


def test_interval_and_p_value_agree() -> None:
    half = half_width(0.3, 0.2, 4)
    assert 2 * upper_tail(half, 0.3, 0.2, 4) == pytest.approx(0.05, rel=1e-6)


def test_image_noise_does_not_shrink_with_seeds() -> None:
    widths = [float(half_width(1.0 / s, 1.0, s)) for s in (3, 10, 100)]
    assert widths[0] > widths[1] > widths[2] > stats.norm.isf(0.025)


def test_the_images_part_is_recovered() -> None:
    """mean + seed + image + rest, with known variances: 2 points of image sd over 500 images."""
    random = np.random.default_rng(0)
    shape = (400, 4, 500)
    values = 3 * random.standard_normal(shape) + 2 * random.standard_normal((400, 1, 500))
    values += 5 * random.standard_normal((400, 4, 1))
    assert image_variance(values).mean() == pytest.approx(4 / 500, rel=0.05)


def test_equal_images_have_no_image_part() -> None:
    assert image_variance(np.ones((3, 50))) == 0


def test_one_seed_tells_the_images_part_only_with_the_rest() -> None:
    assert image_variance(np.array([[0.0, 100.0]])) == pytest.approx(2500.0)


def test_holm_as_worked_by_hand() -> None:
    assert holm(np.array([0.03, 0.01, 0.04])) == pytest.approx([0.06, 0.03, 0.06])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])
    assert len(holm(np.array([]))) == 0


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_a_detectable_difference_needs_so_many_seeds(seeds: int) -> None:
    noise = Noise(seed_sd=0.5, image_se=0.1)
    difference = detectable(noise, seeds)
    assert difference is not None
    assert chance(noise, difference, seeds) == pytest.approx(0.8, abs=1e-3)
    assert seeds_needed(noise, difference) == seeds
    assert seeds_needed(noise, 0.99 * difference) in (seeds, seeds + 1)


def test_power_is_what_a_simulation_finds() -> None:
    """t-test with 5 seeds: differences of one standard deviation."""
    values = np.random.default_rng(0).normal(1.0, 1.0, (20_000, 5))
    found = stats.ttest_1samp(values, 0, axis=1)
    power = np.mean((found.pvalue < 0.05) & (found.statistic > 0))
    assert chance(Noise(1.0, 0.0), 1.0, 5) == pytest.approx(power, abs=0.02)


def test_what_no_number_of_seeds_shows() -> None:
    assert seeds_needed(Noise(seed_sd=0.1, image_se=1.0), 1.0) is None
    assert seeds_needed(Noise(seed_sd=0.1, image_se=0.0), 0.0) is None
    assert detectable(Noise(0.1, 0.1), seeds=1) is None
