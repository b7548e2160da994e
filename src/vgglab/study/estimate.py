"""A mean over seeds and how far the seeds let it be trusted."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from vgglab.study.claims.distributions import t_ppf
from vgglab.study.claims.inference import CONFIDENCE


@dataclass(frozen=True)
class Estimate:
    """Mean of independent values, in their unit."""

    values: tuple[float, ...]
    mean: float
    sd: float | None
    """Sample standard deviation (n - 1); None with one value."""
    interval: tuple[float, float] | None
    """Student's t-interval for the mean, at ``CONFIDENCE``, within what the values can be; None
    with one value."""

    @property
    def n(self) -> int:
        return len(self.values)


ERRORS = (0.0, 100.0)
"""What an error can be, percent."""


def estimate(
    values: Iterable[float], within: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate | None:
    """The mean with its t-interval; None where there are no values.

    ``within``: the least and the greatest that a value can be, where the interval ends at most.
    """
    sample = tuple(values)
    if not sample:
        return None
    mean = statistics.fmean(sample)
    if len(sample) == 1:
        return Estimate(sample, mean, None, None)
    sd = statistics.stdev(sample)
    quantile = t_ppf((1 + CONFIDENCE) / 2, len(sample) - 1)
    half = quantile * sd / math.sqrt(len(sample))
    low, high = within
    return Estimate(sample, mean, sd, (max(mean - half, low), min(mean + half, high)))
