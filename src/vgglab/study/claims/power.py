"""Power of a number of seeds: differences they detect, and seeds that a difference needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from vgglab.study.claims.inference import Values, half_width

POWER = 0.8
"""Chance of a verdict that "can be detected" means."""
MOST_SEEDS = 1000
_DRAWS = 41


@dataclass(frozen=True)
class Noise:
    """Noise of the difference of two errors (or of any contrast), percentage points."""

    seed_sd: float
    """Standard deviation of the difference over seeds, on one test set."""
    image_se: float
    """Standard error from the test images, which all seeds share: more seeds do not lower it."""


def chance(noise: Noise, distance: float, seeds: int, alpha: float = 0.05) -> float:
    """Probability that the interval clears a bound, on the side that the truth is on.

    Args:
        noise: of the difference.
        distance: from the truth to the bound, percentage points.
        seeds: at least 2.
        alpha: 1 less the interval's confidence. For one of m claims that are corrected together
            ``alpha / m`` gives the chance that does not count on the other claims' verdicts.
    """
    return _clears(distance, *_intervals(noise, seeds, alpha))


def _intervals(noise: Noise, seeds: int, alpha: float) -> tuple[Values, float]:
    """Half widths that such a study would happen to find, equally likely, and its true spread."""
    freedom = seeds - 1
    found = stats.chi2.ppf((np.arange(_DRAWS) + 0.5) / _DRAWS, freedom) / freedom
    seed_variance, image_variance = noise.seed_sd**2 / seeds, noise.image_se**2
    half = half_width(
        seed_variance * found, np.full(_DRAWS, image_variance), seeds, confidence=1 - alpha
    )
    return half, max(float(np.sqrt(seed_variance + image_variance)), np.finfo(float).tiny)


def _clears(distance: float, half: Values, spread: float) -> float:
    return float(special.ndtr((distance - half) / spread).mean())


def detectable(noise: Noise, seeds: int, alpha: float = 0.05, power: float = POWER) -> float | None:
    """Smallest true difference, percentage points, that a number of seeds shows.

    Args:
        noise: of the difference.
        seeds: pairs of runs.
        alpha: chance of showing a difference that is not there.
        power: chance of showing one that is there.

    Returns:
        None with one seed: it shows nothing, whatever the difference.
    """
    if seeds < 2:
        return None
    low, high = 0.0, noise.seed_sd + noise.image_se
    if high == 0:
        return 0.0
    half, spread = _intervals(noise, seeds, alpha)
    while _clears(high, half, spread) < power:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        if _clears(middle, half, spread) < power:
            low = middle
        else:
            high = middle
    return high


def seeds_needed(
    noise: Noise, distance: float, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """Fewest seeds that show a true difference.

    Args:
        noise: of the difference.
        distance: from the difference to the bound that it has to clear, percentage points.
        alpha: chance of showing a difference that is not there.
        power: chance of showing one that is there.

    Returns:
        None where no number up to ``MOST_SEEDS`` does: then the test images are too few, or the
        difference is nil.
    """
    if distance <= 0 or chance(noise, distance, MOST_SEEDS, alpha) < power:
        return None
    low, high = 1, 2
    while chance(noise, distance, high, alpha) < power:
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        if chance(noise, distance, middle, alpha) < power:
            low = middle
        else:
            high = middle
    return high
