"""Power of a number of seeds: the differences that they can show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy

from vgglab.study.claims.distributions import chi_squared_ppf
from vgglab.study.claims.inference import ALPHA, Values, reach

POWER = 0.8
"""Chance of a word that "can be shown" means."""
_DRAWS = 64
_FREEDOMS = 6
"""Degrees of freedom that are told apart in a forecast."""


@dataclass(frozen=True)
class Noise:
    """Noise of the difference of two errors (or of any contrast), percentage points."""

    seed_sd: float
    """Standard deviation of the contrast over seeds, on one test set."""
    image_se: float
    """Standard error from the test images, which all seeds share: more seeds do not lower it."""
    samples: float = 1.0
    """Degrees of freedom that a further seed adds: 1 where seeds are paired, up to one a side."""
    luck_sd: float = 0.0
    """Part of ``seed_sd`` that luck on the test images gives by itself: no test takes less."""


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
    """Widths that such a study would happen to find, equally likely, and its true spread.

    With few seeds the degrees of freedom are found anew each time, as the test finds them (Welch):
    where one group happens to spread far more than the others they are its own alone. Nor does a
    group spread less than luck on the images gives, of which each is taken to have an equal share.
    """
    groups = max(1, round(noise.samples))
    seed_variance, image_variance = noise.seed_sd**2 / seeds, noise.image_se**2
    own, floor = seeds - 1, noise.luck_sd**2 / seeds
    luck = min(1.0, floor / seed_variance) if seed_variance else 0.0
    found_dg = np.maximum(chi_squared_ppf(_evenly(groups), own) / own, luck) / groups
    total_d = found_dg.sum(axis=1)
    freedom_d = own * total_d**2 / np.square(found_dg).sum(axis=1)
    steps = np.geomspace(own, own * groups, _FREEDOMS) if groups > 1 else np.array([float(own)])
    near_d = np.abs(freedom_d[:, None] - steps).argmin(axis=1)
    widths = np.empty(_DRAWS)
    for place in np.unique(near_d):
        here = near_d == place
        images = np.full(int(here.sum()), image_variance)
        found = seed_variance * total_d[here]
        widths[here] = reach(tail, found, images, float(steps[place]), floor)
    return widths, max(float(np.sqrt(seed_variance + image_variance)), np.finfo(float).tiny)


@cache
def _evenly(groups: int) -> Values:
    """Points spread evenly over the unit cube: (draws, groups), a Kronecker sequence of the
    generalised golden ratio, centred."""
    ratio = 2.0
    for _ in range(32):
        ratio = (1 + ratio) ** (1 / (groups + 1))
    steps_g = ratio ** -np.arange(1.0, groups + 1)
    points_dg = (0.5 + np.arange(_DRAWS)[:, None] * steps_g) % 1.0
    # Each column becomes evenly spaced, and keeps its order.
    return np.asarray((points_dg.argsort(axis=0).argsort(axis=0) + 0.5) / _DRAWS)


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
    widths, spread = _reaches(noise, seeds, tail)
    return _least(
        lambda distance: _clears(distance, widths, spread, bounds) >= power,
        noise.seed_sd + noise.image_se,
    )


def _least(is_enough: Callable[[float], bool], first: float) -> float:
    """The smallest value that is enough, to nine digits, where ``first`` is of its size."""
    low, high = 0.0, first
    if high == 0:
        return 0.0
    while not is_enough(high):
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class Part:
    """One of the tests that a claim takes, all of which have to show their difference."""

    noise: Noise
    distance: float
    """From the truth to the part's bound, percentage points; of a difference that is looked for,
    where the claim's effect is 0."""
    share: float = 0.0
    """By how much that grows with each point of the claim's effect."""


def chance_of_all(parts: Sequence[Part], seeds: int, tail: float = ALPHA / 2) -> float:
    """A lower bound of the probability that one-sided tests of all parts clear their bounds, at
    their distances: 1 less the sum of the chances to miss (Bonferroni).

    Args:
        parts: of a claim.
        seeds: of each side, at least 2.
        tail: level of each test.
    """
    return _all_clear(parts, [_reaches(part.noise, seeds, tail) for part in parts], 0.0)


def _all_clear(
    parts: Sequence[Part], reaches: Sequence[tuple[Values, float]], effect: float
) -> float:
    found = zip(parts, reaches, strict=True)
    chances = (_clears(p.distance + p.share * effect, *its) for p, its in found)
    return max(0.0, 1 - sum(1 - chance for chance in chances))


def detectable_by_all(parts: Sequence[Part], seeds: int, tail: float = ALPHA / 2) -> float | None:
    """Smallest effect of a claim of several parts, percentage points, that a number of seeds shows
    with a chance of ``POWER``.

    Args:
        parts: of the claim.
        seeds: of each side.
        tail: one-sided level of each test.

    Returns:
        None with one seed, and where parts that have no share of the effect are not shown.
    """
    fixed = [part for part in parts if not part.share]
    if seeds < 2 or chance_of_all(fixed, seeds, tail) <= POWER:
        return None
    reaches = [_reaches(part.noise, seeds, tail) for part in parts]
    sizes = [(p.noise.seed_sd + p.noise.image_se) / p.share for p in parts if p.share]
    return _least(lambda effect: _all_clear(parts, reaches, effect) >= POWER, min(sizes, default=0))


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
    return _fewest(lambda seeds: _clears(distance, *_reaches(noise, seeds, tail), bounds) >= POWER)


def seeds_to_show_all(parts: Sequence[Part], tail: float) -> int | None:
    """The fewest seeds that show all parts of a claim with a chance of ``POWER``; None where
    ``MOST_SEEDS`` are not enough.

    Args:
        parts: of the claim.
        tail: one-sided level of each test.
    """
    return _fewest(lambda seeds: chance_of_all(parts, seeds, tail) >= POWER)


def _fewest(are_enough: Callable[[int], bool]) -> int | None:
    few, many = 1, MOST_SEEDS
    if not are_enough(many):
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if are_enough(middle) else (middle, many)
    return many
