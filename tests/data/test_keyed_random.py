"""Draws depend on seed, epoch and sample index, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vgglab.data.keyed_random import (
    FLIP,
    SHIFT_X,
    SHIFT_Y,
    keyed_bits,
    keyed_integers,
    keyed_order,
)

SAMPLES = np.arange(20_000, dtype=np.int64)


def test_a_sample_draws_alike_in_any_company() -> None:
    whole = keyed_bits(3, 2, SAMPLES, SHIFT_X)
    some = np.array([17, 4_000, 17], dtype=np.int64)
    assert (keyed_bits(3, 2, some, SHIFT_X) == whole[some]).all()


@pytest.mark.parametrize("key", [(4, 2, SHIFT_X), (3, 1, SHIFT_X), (3, 2, SHIFT_Y)])
def test_seed_epoch_and_stream_each_give_other_draws(key: tuple[int, int, int]) -> None:
    seed, epoch, stream = key
    one = keyed_integers(3, 2, SAMPLES, SHIFT_X, 1000)
    other = keyed_integers(seed, epoch, SAMPLES, stream, 1000)
    assert (one == other).mean() < 0.01
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
@pytest.mark.parametrize("bound", [2, 5, 17])
def test_integers_are_uniform(seed: int, bound: int) -> None:
    draws = keyed_integers(seed, 0, SAMPLES, SHIFT_X, bound)
    assert stats.chisquare(np.bincount(draws, minlength=bound)).pvalue > 1e-4


def test_neighbouring_epochs_and_seeds_do_not_repeat_each_other() -> None:
    # epoch 1 of seed 0 is not epoch 0 of seed 1
    assert (keyed_bits(0, 1, SAMPLES, FLIP) != keyed_bits(1, 0, SAMPLES, FLIP)).all()


def test_an_order_is_a_permutation_of_its_own_epoch() -> None:
    first, second = keyed_order(0, 0, 1000), keyed_order(0, 1, 1000)
    assert (np.sort(first) == np.arange(1000)).all()
    assert (first != second).mean() > 0.9
    assert (first == keyed_order(0, 0, 1000)).all()


def test_the_draws_stay_what_they_were() -> None:
    # A change here changes every run that a lab has: raise SCHEMA_VERSION with it.
    assert keyed_order(0, 0, 8).tolist() == [2, 1, 5, 7, 0, 3, 4, 6]
    assert keyed_bits(1, 2, np.array([3], dtype=np.int64), SHIFT_X).tolist() == [
        1601660013551945176
    ]
