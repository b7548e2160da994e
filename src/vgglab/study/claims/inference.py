"""From a mean over seeds and its two sources of noise to intervals and p-values.

The mean of S paired differences, each over the same I test images, varies for two reasons: other
seeds would have given other differences, and other test images would have. The second is shared
by all seeds, so that more seeds do not average it away and the seeds' own spread does not show it.

The seeds' part is estimated from S values, the images' part from thousands. Their sum has no exact
t-distribution; its Behrens-Fisher (fiducial) form is used: with z normal and c chi-squared with
S - 1 degrees of freedom, the error of the mean is distributed as

    z * sqrt(seed_variance * (S - 1) / c + image_variance).

Without image noise this is Student's paired t exactly. Satterthwaite's approximation falls short of
95% at three seeds, a bootstrap over seeds and images covers more than is meant
(``benchmarks/alternatives.py``).

Everything takes numbers or arrays of one shape.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
"""Chance of any false verdict among all claims of a study."""
Values = NDArray[np.float64]

_GRID = 201
_REACH = 1e-10
"""Probability left out at each end of the chi-squared distribution."""
_HALVINGS = 45


@cache
def _chi_squared(freedom: int) -> tuple[Values, Values]:
    """Nodes and weights that integrate over a chi-squared variable, evenly spaced in its log."""
    low, high = np.log(stats.chi2.ppf([_REACH, 1 - _REACH], freedom))
    nodes = np.exp(np.linspace(low, high, _GRID))
    weights = stats.chi2.pdf(nodes, freedom) * nodes
    return nodes, weights / weights.sum()


def _spread(seed_variance: Any, image_variance: Any, nodes: Values, freedom: int) -> Values:
    """Standard deviation of the error of the mean at each node, (..., nodes)."""
    seed = np.asarray(seed_variance, dtype=np.float64)[..., None]
    image = np.asarray(image_variance, dtype=np.float64)[..., None]
    return np.sqrt(np.maximum(seed * freedom / nodes + image, np.finfo(np.float64).tiny))


def upper_tail(distance: Any, seed_variance: Any, image_variance: Any, seeds: int) -> Values:
    """Probability that the mean lies by ``distance`` or more above the truth.

    One-sided p-value of "the truth is at most mean - distance", in the Behrens-Fisher form above.

    Args:
        distance: of the mean from a bound, percentage points.
        seed_variance: of the mean, from the seeds, points^2.
        image_variance: of the mean, from the test images, points^2.
        seeds: number of values that ``seed_variance`` is estimated from, at least 2.
    """
    nodes, weights = _chi_squared(seeds - 1)
    spread = _spread(seed_variance, image_variance, nodes, seeds - 1)
    return np.asarray(special.ndtr(-np.asarray(distance)[..., None] / spread) @ weights)


def half_width(
    seed_variance: Any, image_variance: Any, seeds: int, confidence: float = CONFIDENCE
) -> Values:
    """Half of the two-sided interval for the mean, percentage points.

    Args:
        seed_variance: of the mean, from the seeds, points^2.
        image_variance: of the mean, from the test images, points^2.
        seeds: number of values that ``seed_variance`` is estimated from, at least 2.
        confidence: chance that the interval covers the truth.
    """
    nodes, weights = _chi_squared(seeds - 1)
    spread = _spread(seed_variance, image_variance, nodes, seeds - 1)
    # Between the quantiles of its two parts alone, and of both at their worst.
    scale = np.sqrt(np.asarray(seed_variance) + np.asarray(image_variance))
    low = np.zeros_like(scale)
    high = scale * float(stats.t.isf((1 - confidence) / 2, seeds - 1)) * 1.01
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        outside = special.ndtr(-middle[..., None] / spread) @ weights > (1 - confidence) / 2
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return np.asarray(high)


def holm(p_values: Values) -> Values:
    """Holm's step-down adjusted p-values, in the given order (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
