"""Studies with a known truth: which test images each net gets wrong, drawn from a population.

A net is wrong on an image where

    threshold(net) + difficulty(image) + taste(net, image) + shift(net, seed) + luck > 0,

all of them normal, luck with variance 1 and drawn anew for each run and image. The expected error
over seeds and images is then a normal distribution function of the threshold, exactly: a study of
equal thresholds has no difference, and one of unequal ones has a difference that is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

_CHUNK = 8_000_000
"""Values drawn at a time."""


@dataclass(frozen=True)
class Population:
    """Standard deviations of what makes a net wrong, in units of the luck."""

    difficulty: float
    taste: float
    shift: float
    """A whole run's: what a seed adds on every image."""
    degrees: float = float("inf")
    """Degrees of freedom of the shift's t-distribution; few: now and then a seed is very bad."""
    per_original: int = 1
    """Test images that are made from one original."""
    shared: float = 0.0
    """Share of difficulty's and taste's variance that images of one original have in common."""

    @property
    def spread(self) -> float:
        """Standard deviation of everything together."""
        return float(np.sqrt(1 + self.difficulty**2 + self.taste**2 + self.shift**2))


def scores(
    population: Population,
    *,
    nets: int,
    seeds: int,
    images: int,
    studies: int,
    random: np.random.Generator,
) -> Iterator[NDArray[np.float32]]:
    """Draw the scores of studies, some at a time.

    Args:
        population: what they are drawn from.
        nets: of a study.
        seeds: of each net.
        images: test images of a study.
        studies: to draw in all.
        random: source of the numbers.

    Returns:
        Arrays of (some studies, nets, seeds, images).
    """
    at_once = max(1, _CHUNK // (nets * seeds * images))
    for start in range(0, studies, at_once):
        some = min(at_once, studies - start)
        score = random.standard_normal((some, nets, seeds, images), dtype=np.float32)
        score += population.difficulty * _of_images(population, random, (some, 1, 1, images))
        score += population.taste * _of_images(population, random, (some, nets, 1, images))
        score += _shift(population, random, (some, nets, seeds, 1))
        yield score


def mistakes(
    score_nksi: NDArray[np.float32], population: Population, errors: Any
) -> NDArray[np.bool_]:
    """Where nets of given expected errors are wrong.

    Exact for a normal shift; with few degrees of freedom only equal errors are sure to be equal.

    Args:
        score_nksi: (studies, nets, seeds, images).
        population: that the scores were drawn from.
        errors: expected error of each net, or (studies, nets, seeds) of each run; percent.
    """
    thresholds = population.spread * stats.norm.ppf(np.asarray(errors) / 100)
    if thresholds.ndim == 1:
        thresholds = thresholds[:, None]
    return np.asarray(score_nksi > -thresholds.astype(np.float32)[..., None])


def originals(population: Population, images: int) -> NDArray[np.int64]:
    """The original that each test image is made from."""
    return np.arange(images) // population.per_original


def _of_images(
    population: Population, random: np.random.Generator, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """What images add, with variance 1: their own, and what they share with their original's."""
    own = _normal(random, shape)
    if not population.shared:
        return own
    *of, images = shape
    count = -(-images // population.per_original)
    common = _normal(random, (*of, count)).repeat(population.per_original, axis=-1)[..., :images]
    share = np.float32(population.shared)
    return np.asarray(np.sqrt(share) * common + np.sqrt(1 - share) * own)


def _normal(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return random.standard_normal(shape, dtype=np.float32)


def _shift(
    population: Population, random: np.random.Generator, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    if np.isinf(population.degrees):
        return np.float32(population.shift) * _normal(random, shape)
    t = random.standard_t(population.degrees, shape)
    scale = population.shift / np.sqrt(population.degrees / (population.degrees - 2))
    return np.asarray(scale * t, dtype=np.float32)


def fit(wrong_ksi: NDArray[np.bool_]) -> Population:
    """The population that real runs look drawn from; ``wrong_ksi``: (nets, seeds, images).

    Seeds of one net agree on images by difficulty and taste, two nets by difficulty alone; what
    the errors of a net's seeds vary beyond chance is the shift. Needs 2 nets with 2 seeds.
    """
    nets, seeds, images = wrong_ksi.shape
    error_ks = wrong_ksi.mean(axis=2)
    same = [(k, s, k, t) for k in range(nets) for s, t in combinations(range(seeds), 2)]
    cross = [(j, s, k, s) for j, k in combinations(range(nets), 2) for s in range(seeds)]
    of_net, of_any = (
        float(np.mean([_correlation(wrong_ksi[j, s], wrong_ksi[k, t]) for j, s, k, t in pairs]))
        for pairs in (same, cross)
    )
    of_image = min(of_net, of_any)
    total = 1 / (1 - of_net)
    # The slope turns a spread of errors into one of thresholds; chance's part is taken off first.
    error_k = error_ks.mean(axis=1)
    slope_k = stats.norm.pdf(stats.norm.ppf(error_k)) / np.sqrt(total)
    excess_k = error_ks.var(axis=1, ddof=1) - error_k * (1 - error_k) * (1 - of_net) / images
    shift = float(np.sqrt(max(np.median(excess_k / slope_k**2), 0.0)))
    return Population(
        difficulty=float(np.sqrt(of_image * total)),
        taste=float(np.sqrt((of_net - of_image) * total)),
        shift=shift,
    )


def _correlation(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Tetrachoric correlation: that of the scores behind two runs' mistakes."""
    cuts = stats.norm.ppf([one.mean(), other.mean()])
    both = float((one & other).mean())

    def surplus(rho: float) -> float:
        return float(stats.multivariate_normal.cdf(cuts, cov=[[1, rho], [rho, 1]])) - both

    return float(optimize.brentq(surplus, -0.999, 0.999, xtol=1e-4))
