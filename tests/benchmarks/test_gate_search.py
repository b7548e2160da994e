"""Greedy searches under no effect; ``benchmarks/gate.py`` simulates more, and longer ones."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
from gate import Arm, World, by_gate, by_t_test, false_searches, p_of_seeds, power

from vgglab.study.gate import share_of

SEARCHES = 100
LIMIT = 0.05 + 3 * np.sqrt(0.05 * 0.95 / SEARCHES)
"""Three standard errors above 5%."""


@pytest.mark.parametrize("world", [World(5), World(3, more=4)], ids=["once", "again with more"])
def test_a_search_that_asks_often_keeps_no_noise(world: World) -> None:
    assert false_searches(world, by_gate, searches=SEARCHES, asks=20) <= LIMIT
    assert false_searches(world, by_t_test, searches=SEARCHES // 2, asks=20) > 3 * LIMIT


def test_all_questions_together_spend_no_more_than_there_is() -> None:
    spent = np.cumsum([share_of(n) for n in range(1, 20_001)])
    assert 0.8 < spent[-1] < 1
    assert spent[99] > 0.7


def test_the_naive_p_value_is_that_of_a_t_test() -> None:
    random = np.random.default_rng(0)
    ours, theirs = (Arm(random.standard_normal(n)) for n in (5, 7))
    unpaired = scipy.stats.ttest_ind(
        ours.errors_s, theirs.errors_s, equal_var=False, alternative="less"
    )
    assert p_of_seeds(World(5), ours, theirs) == pytest.approx(unpaired.pvalue)
    paired = scipy.stats.ttest_rel(ours.errors_s, theirs.errors_s[:5], alternative="less")
    assert p_of_seeds(World(5, shared=0.5), ours, theirs.first(5)) == pytest.approx(paired.pvalue)


def test_a_true_improvement_is_kept() -> None:
    often = power(8, 1, 100)
    assert often > 0.7
    assert often > power(8, 100, 100) + 0.3
