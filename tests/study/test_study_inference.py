from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vgglab.study.claims.contrast import Group, Measured, noise_of_images, sums_of_originals
from vgglab.study.claims.inference import holm, reach, upper_tail
from vgglab.study.claims.power import MOST_SEEDS, Noise, chance, detectable, seeds_to_show

SEEDS = [2, 3, 5, 10]


def measured(
    *groups: tuple[float, ...], image_variance: float = 0.0, luck: float = 0.0
) -> Measured:
    return Measured(
        tuple(Group(values, luck) for values in groups), image_variance, images=None, paired=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
def test_without_image_noise_pairs_are_the_paired_t_test(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(0.4, 0.5, seeds)
    found = measured(tuple(values))
    reference = stats.ttest_1samp(values, 0)
    expected = reference.confidence_interval(0.95)
    assert found.interval == pytest.approx((expected.low, expected.high), rel=1e-5)
    two_sided = 2 * min(found.p_below(0), found.p_above(0))
    assert two_sided == pytest.approx(reference.pvalue, rel=1e-5)


@pytest.mark.parametrize("seeds", [3, 8])
def test_without_image_noise_two_groups_of_a_size_are_welchs_test(seeds: int) -> None:
    random = np.random.default_rng(seeds)
    first, second = random.normal(1.0, 0.5, seeds), random.normal(0.0, 1.5, seeds)
    found = measured(tuple(first), tuple(-second))
    reference = stats.ttest_ind(first, second, equal_var=False)
    # Degrees of freedom are rounded down to a multiple of 0.02.
    assert found.freedom == pytest.approx(reference.df)
    two_sided = 2 * min(found.p_below(0), found.p_above(0))
    assert two_sided == pytest.approx(reference.pvalue, rel=0.02)
    assert two_sided >= reference.pvalue * (1 - 1e-5)


@pytest.mark.parametrize(("few", "many"), [(2, 10), (2, 20), (3, 20)])
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_few_seeds_against_many_are_hardly_more_often_wrong_than_is_meant(
    few: int, many: int, spread: float
) -> None:
    """By Welch's degrees of freedom alone up to 5 times as often at this level: they are many
    where the few seeds happen to agree, when the noise is taken to be small."""
    random, wrong, studies = np.random.default_rng(few * many), 0, 2000
    for _ in range(studies):
        first, second = random.normal(0.0, spread, few), random.normal(0.0, 1.0, many)
        wrong += measured(tuple(first), tuple(second)).p_above(0.0) <= 0.01
    assert wrong / studies <= 0.022


def test_without_seed_noise_it_is_the_normal_test() -> None:
    assert reach(0.025, 1e-12, 4.0, 2) == pytest.approx(2 * stats.norm.isf(0.025), rel=1e-4)
    assert upper_tail(2.0, 1e-12, 1.0, 2) == pytest.approx(stats.norm.sf(2.0), rel=1e-4)


def test_interval_and_p_value_agree() -> None:
    found = measured((1.0, 2.0, 1.5, 0.7), image_variance=0.2, luck=0.05)
    ends = found.interval_of(0.01, 0.04)
    assert ends is not None
    assert found.p_above(ends[0]) == pytest.approx(0.01, rel=1e-6)
    assert found.p_below(ends[1]) == pytest.approx(0.04, rel=1e-6)


@pytest.mark.parametrize("freedom", [1, 1.5, 3, 40, 3000])
@pytest.mark.parametrize("tail", [1e-7, 0.001, 0.025, 0.45])
@pytest.mark.parametrize("floor", [0.0, 0.5])
def test_a_distance_is_exceeded_with_its_probability(
    tail: float, freedom: float, floor: float
) -> None:
    seed_variance, image_variance = np.array([1e-8, 1.0, 3e3, 1.0]), np.array([0.2, 1e-6, 1.0, 0.0])
    noise = seed_variance, image_variance, freedom, floor
    assert upper_tail(reach(tail, *noise), *noise) == pytest.approx(tail, rel=1e-9)


def test_image_noise_does_not_shrink_with_seeds() -> None:
    widths = [float(reach(0.025, 1.0 / s, 1.0, s - 1)) for s in (3, 10, 100)]
    assert widths[0] > widths[1] > widths[2] > stats.norm.isf(0.025)


def test_seeds_that_agree_by_chance_show_no_less_noise_than_luck() -> None:
    alike = measured((1.0, 1.0, 1.0), luck=0.3)
    assert alike.seed_variance == pytest.approx(0.1)
    assert alike.p_above(0) == pytest.approx(upper_tail(1.0, 0.1, 0.0, 2, 0.1))
    assert alike.p_above(0) > stats.norm.sf(1.0, scale=0.1**0.5)
    # Where the seeds show more than luck by far, it changes next to nothing.
    wide = (-5.0, 1.0, 7.0)
    assert measured(wide, luck=0.01).p_above(0) == pytest.approx(
        measured(wide).p_above(0), rel=0.01
    )


def test_the_images_part_and_the_luck_are_recovered() -> None:
    """mean + seed + image + rest, with known variances: 2 points of image sd over 500 images."""
    random = np.random.default_rng(0)
    parts = []
    for _ in range(400):
        values_si = 3 * random.standard_normal((4, 500)) + 2 * random.standard_normal((1, 500))
        values_si += 5 * random.standard_normal((4, 1))
        parts.append(noise_of_images([sums_of_originals(values_si, np.arange(500))], 500))
    assert np.mean([part for part, _ in parts]) == pytest.approx(4 / 500, rel=0.05)
    assert np.mean([luck for _, (luck,) in parts]) == pytest.approx(9 / 500, rel=0.02)


def test_images_of_one_original_count_as_one() -> None:
    """Four images an original that all move together: as much noise as a quarter of the images."""
    random = np.random.default_rng(0)
    original_i = np.repeat(np.arange(200), 4)
    shared, alone = [], []
    for _ in range(300):
        values_si = 2 * random.standard_normal((1, 200)).repeat(4, axis=1)
        values_si = values_si + random.standard_normal((3, 800))
        shared.append(noise_of_images([sums_of_originals(values_si, original_i)], 800)[0])
        alone.append(noise_of_images([sums_of_originals(values_si, np.arange(800))], 800)[0])
    assert np.mean(shared) == pytest.approx(4 / 200, rel=0.05)
    assert np.mean(alone) == pytest.approx(4 / 800, rel=0.05)


def test_the_images_part_of_two_groups_is_of_their_sum() -> None:
    """What both groups share on an image cancels in their difference."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(300):
        image_i = 5 * random.standard_normal(500)
        ours, theirs = (
            image_i + random.standard_normal(500) + random.standard_normal((3, 500))
            for _ in range(2)
        )
        sums = [sums_of_originals(v, np.arange(500)) for v in (ours, -theirs)]
        found.append(noise_of_images(sums, 500)[0])
    assert np.mean(found) == pytest.approx(2 / 500, rel=0.05)


def test_equal_images_have_no_image_part() -> None:
    assert noise_of_images([sums_of_originals(np.ones((3, 50)), np.arange(50))], 50) == (0, (0,))


def test_one_seed_tells_the_images_part_only_with_the_rest() -> None:
    sums = sums_of_originals(np.array([[0.0, 100.0]]), np.arange(2))
    assert noise_of_images([sums], 2)[0] == pytest.approx(2500.0)


def test_holm_as_worked_by_hand() -> None:
    assert holm(np.array([0.03, 0.01, 0.04])) == pytest.approx([0.06, 0.03, 0.06])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])
    assert len(holm(np.array([]))) == 0


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_a_detectable_difference_is_found_with_the_chance_that_is_meant(seeds: int) -> None:
    noise = Noise(seed_sd=0.5, image_se=0.1)
    difference = detectable(noise, seeds)
    assert difference is not None
    assert chance(noise, difference, seeds) == pytest.approx(0.8, abs=1e-3)


def test_power_is_what_a_simulation_finds() -> None:
    """t-test with 5 seeds: differences of one standard deviation."""
    values = np.random.default_rng(0).normal(1.0, 1.0, (20_000, 5))
    found = stats.ttest_1samp(values, 0, axis=1)
    power = np.mean((found.pvalue < 0.05) & (found.statistic > 0))
    assert chance(Noise(1.0, 0.0), 1.0, 5) == pytest.approx(power, abs=0.02)


def test_a_margin_on_both_sides_is_found_with_the_chance_that_is_meant() -> None:
    """Two one-sided tests at 5%, 10 seeds, no true difference."""
    margin = detectable(Noise(1.0, 0.0), 10, tail=0.05, bounds=2)
    assert margin is not None
    values = np.random.default_rng(0).normal(0.0, 1.0, (20_000, 10))
    se = values.std(axis=1, ddof=1) / 10**0.5
    shown = abs(values.mean(axis=1)) + stats.t.isf(0.05, 9) * se < margin
    assert shown.mean() == pytest.approx(0.8, abs=0.02)


def test_what_no_number_of_seeds_shows() -> None:
    assert detectable(Noise(0.1, 0.1), seeds=1) is None


@pytest.mark.parametrize("bounds", [1, 2])
@pytest.mark.parametrize("distance", [0.5, 1.0, 3.0])
def test_the_fewest_seeds_are_those_by_which_a_difference_is_detectable(
    distance: float, bounds: int
) -> None:
    noise = Noise(seed_sd=1.2, image_se=0.1)
    many = seeds_to_show(noise, distance, 0.01, bounds)
    assert many is not None
    now, before = (detectable(noise, n, 0.01, bounds=bounds) for n in (many, many - 1))
    assert now is not None
    assert now <= distance
    assert before is None or before > distance


def test_no_number_of_seeds_shows_what_the_images_leave_open() -> None:
    assert seeds_to_show(Noise(seed_sd=0.1, image_se=1.0), 1.0, 0.025) is None
    assert seeds_to_show(Noise(seed_sd=9.0, image_se=0.0), 0.01, 0.025) is None
    assert MOST_SEEDS > 100


@pytest.mark.parametrize(("shift", "interval"), [(0.1, None), (0.0, (0.0, 0.0))])
def test_runs_that_agree_to_the_last_digit_show_nothing(
    shift: float, interval: tuple[float, float] | None
) -> None:
    """As rounded errors of two runs in a table do: a spread of nothing is none that is known."""
    values = (5.1 + shift, 5.1 + shift), (-5.1, -5.1)
    found = Measured(tuple(map(Group, values)), 0.0, None, paired=False)
    assert found.interval == interval
    assert found.noise is None
    assert (found.p_below(10.0), found.p_above(-10.0)) == (1.0, 1.0)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("luck_sd", [0.0, 0.3])
def test_what_is_detectable_is_shown_as_often_as_it_says(
    luck_sd: float, groups: int, seeds: int
) -> None:
    """By the test itself, which finds its degrees of freedom anew each time, and takes no less
    noise than luck on the images gives: 0.3 of 0.3 are seeds that differ by nothing else."""
    draws, tail, studies = np.random.default_rng(groups + 10 * seeds), 0.04 / 4, 1000
    least = detectable(Noise(0.3, 0.1, groups, luck_sd), seeds, tail)
    assert least is not None
    shown = 0
    for _ in range(studies):
        values = draws.normal(least / groups, 0.3 / np.sqrt(groups), (groups, seeds))
        values[0] += draws.normal(0.0, 0.1)
        found = [Group(tuple(map(float, row)), luck_sd**2 / groups) for row in values]
        shown += Measured(tuple(found), 0.1**2, None, paired=False).p_above(0.0) <= tail
    assert 0.76 < shown / studies < 0.86


def test_the_noise_of_a_difference_tells_the_luck_of_its_groups() -> None:
    found = measured((1.0, 2.0, 1.5), (0.4, 0.3, 0.9), luck=0.05).noise
    assert found is not None
    assert found.luck_sd == pytest.approx(0.1**0.5)
