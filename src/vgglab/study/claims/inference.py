"""From a mean and its sources of noise to intervals and p-values.

A contrast of errors varies for two reasons: other seeds would have given another, and other test
images would have. The second is shared by all seeds, so that more seeds do not average it away and
the seeds' own spread does not show it.

The seeds' part is estimated from a few values, the images' part from thousands. Their sum has no
exact t-distribution; its Behrens-Fisher (fiducial) form is used: with z normal and c chi-squared
with so many degrees of freedom, the error of the mean is distributed as

    z * sqrt(max(seed_variance * freedom / c, floor) + image_variance).

Without image noise and floor this is Student's t exactly, paired or in Welch's form, whichever the
degrees of freedom say (fewer than Welch's where some nets have fewer seeds). The floor is what luck
on the test images alone makes seeds differ by: few seeds that agree by chance do not show less
noise than that.

Everything takes numbers or arrays of one shape, but for the degrees of freedom.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from vgglab.study.claims.distributions import chi_squared_pdf, chi_squared_ppf, t_isf

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
"""Chance of any false verdict among all claims of a study, over all of its looks."""
Values = NDArray[np.float64]

_GRID = 201
_REACH = 1e-10
"""Probability left out at each end of the chi-squared distribution."""
_STEPS = 60
_EXACT = 1e-13
"""Relative: where ``reach`` ends."""
_STEP = 0.02
"""Degrees of freedom are rounded down to a multiple of this, so that their nodes can be kept."""


@cache
def _chi_squared(freedom: float) -> tuple[Values, Values]:
    """Nodes and weights that integrate over a chi-squared variable, evenly spaced in its log."""
    low, high = np.log(chi_squared_ppf([_REACH, 1 - _REACH], freedom))
    nodes = np.exp(np.linspace(low, high, _GRID))
    weights = chi_squared_pdf(nodes, freedom) * nodes
    return nodes, weights / weights.sum()


def _spread_and_weights(
    seed_variance: Any, image_variance: Any, freedom: float, floor: Any
) -> tuple[Values, Values]:
    """Standard deviation of the error of the mean at each node, (..., nodes), and the weights."""
    nodes, weights = _chi_squared(max(1.0, round(np.floor(freedom / _STEP + 1e-9) * _STEP, 6)))
    seed = np.asarray(seed_variance, dtype=np.float64)[..., None] * freedom / nodes
    seed = np.maximum(seed, np.asarray(floor, dtype=np.float64)[..., None])
    image = np.asarray(image_variance, dtype=np.float64)[..., None]
    return np.sqrt(np.maximum(seed + image, np.finfo(np.float64).tiny)), weights


def upper_tail(
    distance: Any, seed_variance: Any, image_variance: Any, freedom: float, floor: Any = 0.0
) -> Values:
    """Probability that the mean lies by ``distance`` or more above the truth.

    One-sided p-value of "the truth is at most mean - distance", in the Behrens-Fisher form above.

    Args:
        distance: of the mean from a bound, percentage points.
        seed_variance: of the mean, from the seeds, points^2.
        image_variance: of the mean, from the test images, points^2.
        freedom: degrees of freedom of ``seed_variance``, at least 1.
        floor: least seed variance that there can be, points^2.
    """
    spread, weights = _spread_and_weights(seed_variance, image_variance, freedom, floor)
    return np.asarray(scipy.special.ndtr(-np.asarray(distance)[..., None] / spread) @ weights)


def reach(
    tail: float, seed_variance: Any, image_variance: Any, freedom: float, floor: Any = 0.0
) -> Values:
    """Distance from the truth that the mean exceeds on one side with a given probability, points.

    Args:
        tail: the probability, below 0.5; half of an interval's alpha for its half width.
        seed_variance: of the mean, from the seeds, points^2.
        image_variance: of the mean, from the test images, points^2.
        freedom: degrees of freedom of ``seed_variance``, at least 1.
        floor: least seed variance that there can be, points^2.
    """
    spread, weights = _spread_and_weights(seed_variance, image_variance, freedom, floor)
    # The quantile that all of the noise would have, were it the seeds', begins. The floor can make
    # it larger, but not beyond that at half the probability: it is a second source, at its largest.
    total = np.maximum(np.asarray(seed_variance), np.asarray(floor)) + np.asarray(image_variance)
    begin, end = (t_isf(share, max(1.0, freedom - _STEP)) for share in (tail, tail / 2))
    found = np.sqrt(total) * begin
    low, high = np.zeros_like(total, dtype=np.float64), np.sqrt(total) * end
    for _ in range(_STEPS):
        scaled = found[..., None] / spread
        outside = scipy.special.ndtr(-scaled) @ weights
        low = np.where(outside > tail, found, low)
        high = np.where(outside > tail, high, found)
        slope = (np.exp(-(scaled**2) / 2) / spread) @ weights / np.sqrt(2 * np.pi)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Newton's step in the logarithm of the probability; a halving where it leads outside.
            step = found + outside * np.log(outside / tail) / slope
        before, found = found, np.where((step >= low) & (step <= high), step, (low + high) / 2)
        if np.all(np.abs(found - before) <= _EXACT * found):
            break
    return np.asarray(found)


def holm(p_values: Values) -> Values:
    """Holm's step-down adjusted p-values, in the given order (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def holm_levels(p_values: Values) -> Values:
    """The level that decides on each of a family, in the given order: an interval at that level
    leaves out the bound where Holm's correction shows it, and nowhere else."""
    shown = int((holm(p_values) <= ALPHA).sum())
    ranks = np.argsort(np.argsort(p_values, kind="stable"), kind="stable")
    return np.asarray(ALPHA / (len(p_values) - np.minimum(ranks, shown)))
