"""Quantiles and densities bit for bit as ``scipy.stats`` has them, which takes a second to import.

They are the functions of ``scipy.special`` that it computes them by
(tests/study/test_distributions.py compares them).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

Values = NDArray[np.float64]


def t_ppf(share: float, freedom: float) -> float:
    """The value that Student's t is below with a probability."""
    return float(scipy.special.stdtrit(freedom, share))


def t_isf(tail: float, freedom: float) -> float:
    """The value that Student's t is above with a probability."""
    return -float(scipy.special.stdtrit(freedom, tail))


def normal_isf(tail: float) -> float:
    """The value that a standard normal variable is above with a probability."""
    return -float(scipy.special.ndtri(tail))


def chi_squared_ppf(shares: Any, freedom: float) -> Values:
    """The values that a chi-squared variable is below with these probabilities."""
    return np.asarray(2 * scipy.special.gammaincinv(freedom / 2, shares))


def chi_squared_pdf(values: Values, freedom: float) -> Values:
    """The density of a chi-squared variable at values above 0."""
    half = freedom / 2.0
    log = scipy.special.xlogy(half - 1, values) - values / 2.0
    log = log - scipy.special.gammaln(half) - (np.log(2) * freedom) / 2.0
    return np.asarray(np.exp(log))


def beta_isf(tail: float, a: float, b: float) -> float:
    """The value that a beta variable of two shapes is above with a probability.

    Args:
        tail: the probability.
        a: the first shape.
        b: the second shape.
    """
    return float(scipy.special.betainccinv(a, b, tail))
