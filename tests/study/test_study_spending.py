from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vgglab.study.claims.spending import Halving, Linear, Sparing, spending

LOOKS = (3, 5, 8, 12, 20)


def test_declared_looks_spend_in_proportion_to_their_seeds() -> None:
    """A walk of normal steps, seen at the looks, crosses their levels as often as was meant."""
    rule, looks = Linear(LOOKS), np.array(LOOKS)
    walks = np.random.default_rng(0).standard_normal((200_000, 20), dtype=np.float32).cumsum(axis=1)
    seen = walks[:, looks - 1] / np.sqrt(looks)
    levels = [rule.tail(0.05, look) for look in range(1, 6)]
    crossed = (seen > stats.norm.isf(levels)).cumsum(axis=1) > 0
    assert crossed.mean(axis=0) == pytest.approx(0.05 * looks / 20, abs=0.002)
    assert [rule.spent(look) for look in range(1, 6)] == pytest.approx(looks / 20)


@pytest.mark.parametrize("look", [1, 3, 5])
def test_a_p_value_is_worth_what_its_level_costs(look: int) -> None:
    rule = Linear(LOOKS)
    for alpha in (1e-5, 0.013, 0.3):
        assert rule.overall(rule.tail(alpha, look), look) == pytest.approx(alpha, rel=1e-6)
    assert rule.overall(1.0, look) == 1.0
    assert rule.overall(0.0, look) < 1e-8


def test_one_declared_look_costs_nothing() -> None:
    assert Linear((5,)).overall(0.03, 1) == pytest.approx(0.03, rel=1e-4)


def test_undeclared_looks_never_spend_more_than_there_is() -> None:
    rule = spending(())
    assert isinstance(rule, Halving)
    assert rule.overall(0.03, 1) == pytest.approx(0.03 / 0.8)
    assert rule.overall(0.03, 2) == pytest.approx(0.03 / 0.1)
    assert sum(rule.tail(0.05, look) for look in range(1, 60)) == pytest.approx(0.05)
    assert rule.spent(2) == pytest.approx(0.9)


def test_a_look_that_can_give_no_word_leaves_its_share_to_the_next() -> None:
    """A walk that nobody looks at for its first steps still crosses in no more than was meant."""
    rule, looks = Sparing(spending(LOOKS[1:]), frozenset({1})), np.array(LOOKS)
    assert [rule.spent(look) for look in range(1, 6)] == pytest.approx([0, *looks[1:] / 20])
    assert rule.overall(1e-9, 1) == 1.0
    levels = [rule.tail(0.05, look) for look in range(2, 6)]
    assert levels == [Linear(LOOKS[1:]).tail(0.05, look) for look in range(1, 5)]
    assert levels[0] > Linear(LOOKS).tail(0.05, 2)
    walks = np.random.default_rng(1).standard_normal((200_000, 20), dtype=np.float32).cumsum(axis=1)
    seen = walks[:, looks[1:] - 1] / np.sqrt(looks[1:])
    crossed = (seen > stats.norm.isf(levels)).cumsum(axis=1) > 0
    assert crossed.mean(axis=0) == pytest.approx(0.05 * looks[1:] / 20, abs=0.002)
    assert rule.tail_at_the_end(0.05, 3) == Linear(LOOKS[1:]).tail(0.05, 4)
    late = Sparing(Halving(), frozenset({2}))
    assert [late.spent(look) for look in (1, 2, 3)] == pytest.approx([0.8, 0.8, 0.9])
    assert late.overall(0.01, 3) == Halving().overall(0.01, 2)


def test_the_look_that_has_all_seeds_is_the_last_that_was_declared_or_the_next() -> None:
    assert Linear(LOOKS).tail_at_the_end(0.05, 2) == Linear(LOOKS).tail(0.05, 5)
    assert Linear(LOOKS).tail_at_the_end(0.05, 5) == Linear(LOOKS).tail(0.05, 5)
    for look in (1, 2, 4):
        assert Halving().tail_at_the_end(0.05, look) == Halving().tail(0.05, look)
    assert Linear(LOOKS).tail_at_the_end(0.05, 6) == Halving().tail(0.05, 6)
