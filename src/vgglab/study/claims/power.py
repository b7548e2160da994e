"""Power of a number of seeds: the differences that they can show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from vgglab.study.claims.distributions import chi_squared_ppf
from vgglab.study.claims.inference import ALPHA, Values, reach

POWER = 0.8
"""Chance of a word that "can be shown" means."""
_DRAWS = 41


@dataclass(frozen=True)
class Noise:
    """Noise of the difference of two errors (or of any contrast), percentage points."""

    seed_sd: float
    """Standard deviation of the contrast over seeds, on one test set."""
    image_se: float
    """Standard error from the test images, which all seeds share: more seeds do not lower it."""
    samples: float = 1.0
    """Degrees of freedom that a further seed adds: 1 where seeds are paired, up to one a side."""


def chance(noise: Noise, distance: float, seeds: int, tail: float = ALPHA / 2) -> float:
    """Probability that a one-sided test clears a bound, where the truth does.

    Args:
        noise: of the difference.
        distance: from the truth to the bound, percentage points.
        seeds: of each side, at least 2.
        tail: level of the test.
    """
    return _clears(distance, *_reaches(noise, seeds, tail))


def _reaches(noise: Noise, seeds: int, tail: float) -> tuple[Values, float]:
    """Widths that such a study would happen to find, equally likely, and its true spread."""
    freedom = max(1.0, noise.samples * (seeds - 1))
    found = chi_squared_ppf((np.arange(_DRAWS) + 0.5) / _DRAWS, freedom) / freedom
    seed_variance, image_variance = noise.seed_sd**2 / seeds, noise.image_se**2
    widths = reach(tail, seed_variance * found, np.full(_DRAWS, image_variance), freedom)
    return widths, max(float(np.sqrt(seed_variance + image_variance)), np.finfo(float).tiny)


def _clears(distance: float, widths: Values, spread: float, bounds: int = 1) -> float:
    missed = scipy.special.ndtr((widths - distance) / spread)
    return float(np.maximum(1 - bounds * missed, 0).mean())


def detectable(
    noise: Noise, seeds: int, tail: float = ALPHA / 2, power: float = POWER, bounds: int = 1
) -> float | None:
    """Smallest distance from a bound, percentage points, that a number of seeds shows.

    Args:
        noise: of the difference.
        seeds: of each side.
        tail: one-sided level of the test.
        power: chance of showing it.
        bounds: 2 where the truth must be shown to lie between two bounds that are so far off.

    Returns:
        None with one seed: it shows nothing, whatever the difference.
    """
    if seeds < 2:
        return None
    low, high = 0.0, noise.seed_sd + noise.image_se
    if high == 0:
        return 0.0
    widths, spread = _reaches(noise, seeds, tail)
    while _clears(high, widths, spread, bounds) < power:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        if _clears(middle, widths, spread, bounds) < power:
            low = middle
        else:
            high = middle
    return high


MOST_SEEDS = 200
"""More are not counted: a difference that takes them is none for a study to look for."""


def seeds_to_show(noise: Noise, distance: float, tail: float, bounds: int = 1) -> int | None:
    """The fewest seeds by which a claim gets its word with a chance of ``POWER``.

    Args:
        noise: of the difference.
        distance: from the truth to the nearest bound, percentage points.
        tail: one-sided level of the test.
        bounds: 2 where the truth must be shown to lie between two bounds that are so far off.

    Returns:
        None where ``MOST_SEEDS`` are not enough: the test images alone may leave it open.
    """
    few, many = 1, MOST_SEEDS
    if (least := detectable(noise, many, tail, POWER, bounds)) is None or least > distance:
        return None
    while many - few > 1:
        middle = (few + many) // 2
        least = detectable(noise, middle, tail, POWER, bounds)
        few, many = (middle, many) if least is None or least > distance else (few, middle)
    return many
