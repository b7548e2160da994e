"""Bit for bit what scipy.stats computes; and an interval does without it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import scipy.stats

from vgglab.study.claims import distributions as ours

FREEDOMS = [1.0, 1.02, 1.5, 2.0, 2.98, 3.0, 4.0, 5.0, 7.36, 10.0, 29.0, 118.4, 1000.0, 1e5]
TAILS = [1e-12, 1e-6, 0.001, 0.0125, 0.025, 0.05, 0.3, 0.5, 0.7, 0.975, 0.999]
SHARES = np.concatenate([[1e-10, 1 - 1e-10], (np.arange(199) + 0.5) / 199])


def test_quantiles_and_densities_are_those_of_scipy_stats() -> None:
    for tail in TAILS:
        assert ours.normal_isf(tail) == scipy.stats.norm.isf(tail)
        for freedom in FREEDOMS:
            assert ours.t_isf(tail, freedom) == scipy.stats.t.isf(tail, freedom)
            assert ours.t_ppf(tail, freedom) == scipy.stats.t.ppf(tail, df=freedom)
        for count, of in ((0, 1), (0, 3), (1, 3), (2, 7), (49, 50)):
            expected = scipy.stats.beta.isf(tail, count + 1, of - count)
            assert ours.beta_isf(tail, count + 1, of - count) == expected
    for freedom in FREEDOMS:
        quantiles = scipy.stats.chi2.ppf(SHARES, freedom)
        np.testing.assert_array_equal(ours.chi_squared_ppf(SHARES, freedom), quantiles)
        low, high = np.log(quantiles[:2])
        nodes = np.exp(np.linspace(low, high, 201))
        np.testing.assert_array_equal(
            ours.chi_squared_pdf(nodes, freedom), scipy.stats.chi2.pdf(nodes, freedom)
        )


def test_an_interval_and_a_tail_take_no_scipy_stats() -> None:
    code = (
        "import sys\n"
        "from vgglab.study import estimate\n"
        "from vgglab.study.claims.inference import reach, upper_tail\n"
        "estimate([1.0, 2.0, 4.0]), reach(0.025, 1.0, 1.0, 3.0), upper_tail(1.0, 1.0, 1.0, 3.0)\n"
        "assert 'scipy.stats' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
