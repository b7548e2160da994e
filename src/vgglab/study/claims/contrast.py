"""The noise of a contrast of errors, taken apart: what the seed adds and what the images add."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgglab.study.claims.inference import half_width, upper_tail
from vgglab.study.claims.power import Noise


@dataclass(frozen=True)
class Measured:
    """Mean of a contrast over seeds, with the two variances of that mean; points and points^2."""

    by_seed: tuple[float, ...]
    image_variance: float
    images: int | None
    paired: bool
    """Whether the images' part is from per-image pairs; else it is an upper bound."""

    @property
    def seeds(self) -> int:
        return len(self.by_seed)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.by_seed)

    @property
    def seed_variance(self) -> float:
        return statistics.variance(self.by_seed) / self.seeds

    @property
    def noise(self) -> Noise | None:
        """None with one seed."""
        if self.seeds < 2:
            return None
        return Noise(statistics.stdev(self.by_seed), math.sqrt(self.image_variance))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval; None with one seed."""
        if self.seeds < 2:
            return None
        half = float(half_width(self.seed_variance, self.image_variance, self.seeds))
        return self.mean - half, self.mean + half

    def p_below(self, bound: float) -> float:
        """One-sided p-value for "the truth is below ``bound``"; 1 with one seed."""
        return self._tail(bound - self.mean)

    def p_above(self, bound: float) -> float:
        """One-sided p-value for "the truth is above ``bound``"; 1 with one seed."""
        return self._tail(self.mean - bound)

    def _tail(self, distance: float) -> float:
        if self.seeds < 2:
            return 1.0
        return float(upper_tail(distance, self.seed_variance, self.image_variance, self.seeds))


def image_variance(contrast_si: NDArray[Any]) -> Any:
    """Variance of the mean from the choice of test images, shared by all seeds.

    ``contrast_si``: (..., seeds, images), the contrast of one image's errors under one seed. Each
    is mean + seed + image + rest, all random: an analysis of variance with two crossed random
    factors. The image part is what the images' means vary beyond the rest; below zero it is zero.
    """
    seeds, images = contrast_si.shape[-2:]
    of_image = contrast_si.mean(axis=-2)
    between_images = seeds * of_image.var(axis=-1, ddof=1)
    within = ((contrast_si - of_image[..., None, :]) ** 2).sum(axis=(-2, -1))
    of_seed = contrast_si.mean(axis=-1)
    seeds_part = images * ((of_seed - of_seed.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    if seeds == 1:
        return between_images / images
    rest = (within - seeds_part) / ((seeds - 1) * (images - 1))
    return np.maximum(between_images - rest, 0.0) / (seeds * images)
