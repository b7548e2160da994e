"""The noise of a contrast of errors, taken apart: what the seed adds and what the images add."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgglab.study.claims.inference import ALPHA, reach, upper_tail
from vgglab.study.claims.power import Noise

ALIKE = "the runs of each side agree to the last digit: no noise is known"
"""Why a contrast of two seeds or more that is not ``is_known`` gives no word."""


@dataclass(frozen=True)
class Group:
    """A part of a contrast whose seeds are independent of all other parts'.

    Nets with the same layers start from the same weights under one seed and are paired: they make
    one group. Nets whose layers differ make a group each, as in Welch's test.
    """

    by_seed: tuple[float, ...]
    """Its share of the contrast, a value for each seed, percentage points."""
    luck: float = 0.0
    """Variance of one such value that luck on the test images gives by itself, points^2."""

    @property
    def seeds(self) -> int:
        return len(self.by_seed)

    @cached_property
    def mean(self) -> float:
        return math.fsum(self.by_seed) / self.seeds

    @cached_property
    def variance(self) -> float:
        """Of its mean, from the seeds: never below what luck on the images gives."""
        spread = math.fsum((value - self.mean) ** 2 for value in self.by_seed) / (self.seeds - 1)
        return max(spread, self.luck) / self.seeds


@dataclass(frozen=True)
class Measured:
    """A contrast of errors with the two variances of its mean; points and points^2."""

    groups: tuple[Group, ...]
    image_variance: float
    images: int | None
    paired: bool
    """Whether the images' part is from per-image pairs; else it is an upper bound."""
    by_seed: tuple[float, ...] = ()
    """The contrast under each seed that all sides have, for the eye."""

    @property
    def seeds(self) -> int:
        """Fewest seeds of any group."""
        return min(group.seeds for group in self.groups)

    @property
    def mean(self) -> float:
        return math.fsum(group.mean for group in self.groups)

    @cached_property
    def seed_variance(self) -> float:
        return math.fsum(group.variance for group in self.groups)

    @property
    def floor(self) -> float:
        """What luck on the images alone would make of ``seed_variance``."""
        return math.fsum(group.luck / group.seeds for group in self.groups)

    @cached_property
    def freedom(self) -> float:
        """Degrees of freedom of ``seed_variance`` (Welch 1947, Satterthwaite 1946).

        No more than if every group had as many seeds as the smallest. Two seeds that happen to
        agree leave the noise to a group of many, whose degrees of freedom then speak for both: at a
        level of 1% two against twenty were wrong 4 times as often as that.
        """
        squares = math.fsum(group.variance**2 / (group.seeds - 1) for group in self.groups)
        most = float(len(self.groups) * (self.seeds - 1))
        return min(most, self.seed_variance**2 / squares) if squares else most

    @property
    def noise(self) -> Noise | None:
        """None where it is not known."""
        if not self.is_known:
            return None
        sizes = [group.variance for group in self.groups]
        alike = math.fsum(sizes) ** 2 / math.fsum(v**2 for v in sizes) if any(sizes) else len(sizes)
        return Noise(
            seed_sd=math.sqrt(math.fsum(group.variance * group.seeds for group in self.groups)),
            image_se=math.sqrt(self.image_variance),
            samples=alike,
            luck_sd=math.sqrt(math.fsum(group.luck for group in self.groups)),
        )

    @property
    def is_known(self) -> bool:
        """Whether there is noise to test with: two seeds or more, whose errors are not all alike to
        the last digit. Rounded errors of few runs often are, and say nothing of their spread."""
        return self.seeds > 1 and self.seed_variance + self.image_variance > 0

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval at one look; None where the noise is not known."""
        return self.interval_of(ALPHA / 2, ALPHA / 2)

    def interval_of(self, below: float, above: float) -> tuple[float, float] | None:
        """The interval with these chances that the truth lies below, and above; None where the
        noise is not known, unless the errors are the same run for run."""
        if self.seeds < 2 or not (self.is_known or self.mean == 0):
            return None
        low, high = (
            reach(tail, self.seed_variance, self.image_variance, self.freedom, self.floor)
            for tail in (below, above)
        )
        return self.mean - float(low), self.mean + float(high)

    def p_below(self, bound: float) -> float:
        """One-sided p-value for "the truth is below ``bound``"; 1 where no noise is known."""
        return self._tail(bound - self.mean)

    def p_above(self, bound: float) -> float:
        """One-sided p-value for "the truth is above ``bound``"; 1 where no noise is known."""
        return self._tail(self.mean - bound)

    def _tail(self, distance: float) -> float:
        if not self.is_known:
            return 1.0
        noise = self.seed_variance, self.image_variance, self.freedom, self.floor
        return float(upper_tail(distance, *noise))


def sums_of_originals(
    values_si: NDArray[Any], original_i: NDArray[np.int64]
) -> NDArray[np.float64]:
    """What each original adds to a seed's mean: (seeds, originals), sums less the seed's mean.

    Args:
        values_si: errors of each seed on each image, percent.
        original_i: the original that each image was made from, numbered from 0.
    """
    centred_si = values_si - values_si.mean(axis=1, keepdims=True, dtype=np.float64)
    originals = int(original_i.max()) + 1
    if originals == len(original_i) and np.array_equal(original_i, np.arange(originals)):
        return np.asarray(centred_si, dtype=np.float64)
    return np.array([np.bincount(original_i, row, originals) for row in centred_si])


def noise_of_images(
    sums_gso: Sequence[NDArray[np.float64]], images: int, originals: int | None = None
) -> tuple[float, tuple[float, ...]]:
    """The test images' part in a contrast, and their luck under one seed.

    Each group's value on an original is mean + seed + original + rest, all random: an analysis of
    variance with seeds and originals crossed. Images of one original count as one draw.

    Args:
        sums_gso: for each group (its seeds, originals), as ``sums_of_originals`` makes them.
        images: test images in all.
        originals: that they were made from, where the sums are condensed to fewer columns.

    Returns:
        The variance of the contrast from the choice of originals, shared by all seeds and never
        below zero, and for each group the variance of one seed's value from the rest. Points^2.
    """
    originals = originals or sums_gso[0].shape[-1]
    if originals < 2:
        return 0.0, (0.0,) * len(sums_gso)
    total_o = np.sum([sums_so.mean(axis=0) for sums_so in sums_gso], axis=0)
    between = float(np.square(total_o).sum()) / (originals - 1)
    rests = [_rest(sums_so, originals) for sums_so in sums_gso]
    luck = math.fsum(rest / len(so) for rest, so in zip(rests, sums_gso, strict=True))
    scale = originals / images**2
    return max(between - luck, 0.0) * scale, tuple(rest * scale for rest in rests)


def _rest(sums_so: NDArray[np.float64], originals: int) -> float:
    """Variance of what neither the seed nor the original explains; 0 with one seed."""
    seeds = len(sums_so)
    if seeds < 2:
        return 0.0
    rest_so = sums_so - sums_so.mean(axis=0)
    return float(np.square(rest_so).sum() / ((seeds - 1) * (originals - 1)))
