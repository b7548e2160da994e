from __future__ import annotations

import pytest
from scipy import stats
from study_points import run, view

from vgglab.runs import State
from vgglab.study import Difference, Summary, paired_difference, summarise

A, B = [7.1, 6.4, 6.9], [5.0, 5.2, 4.1]


def summaries(**errors: list[float | None]) -> list[Summary]:
    """Of models by name; None: the seed diverged."""
    return list(
        summarise(
            view(
                *(
                    run(model, seed, e, state=State.FINISHED if e else State.DIVERGED)
                    for model, values in errors.items()
                    for seed, e in enumerate(values)
                )
            )
        )
    )


def difference(a: list[float | None], b: list[float | None]) -> Difference:
    first, second = summaries(a=a, b=b)
    return paired_difference(second, first)


def test_is_the_paired_t_interval() -> None:
    found = difference([*A], [*B])
    assert found.estimate is not None
    assert found.estimate.interval is not None
    reference = stats.ttest_rel(B, A).confidence_interval(0.95)
    assert found.estimate.interval == pytest.approx((reference.low, reference.high))
    assert found.by_seed == pytest.approx({0: -2.1, 1: -1.2, 2: -2.8})
    assert (found.first.model, found.second.model) == ("b", "a")


def test_only_seeds_that_trained_in_both_are_pairs() -> None:
    found = difference([7.0, None, 6.0, None], [5.0, 5.0, 5.5, None])
    assert found.by_seed == {0: -2.0, 2: -0.5}
    assert found.unpaired == (1,)


def test_one_pair_has_a_difference_and_no_interval() -> None:
    found = difference([7.0], [5.0])
    assert found.estimate is not None
    assert (found.estimate.mean, found.estimate.interval) == (-2.0, None)
    assert found.excludes_zero is None


def test_no_pair_has_no_difference() -> None:
    found = difference([7.0, None], [None, 5.0])
    assert (found.estimate, found.excludes_zero, found.unpaired) == (None, None, (0, 1))


@pytest.mark.parametrize(
    ("b", "excludes"), [([5.0, 4.4, 4.8], True), ([9.0, 8.5, 8.8], True), ([7.0, 6.5, 6.9], False)]
)
def test_interval_and_zero(b: list[float | None], excludes: bool) -> None:
    assert difference([*A], b).excludes_zero is excludes


def test_pairs_may_differ_in_the_norm_alone() -> None:
    plain, batch = summarise(view(run("a", 0, 6.0, norm="none"), run("a", 0, 5.0)))
    assert paired_difference(batch, plain).by_seed == {0: -1.0}


def test_top5_is_paired_likewise() -> None:
    a, b = summarise(view(run("a", 0, 6.0, top5=0.7), run("b", 0, 5.0, top5=0.5)))
    assert paired_difference(b, a, "top5_error").by_seed == pytest.approx({0: -0.2})


def test_two_changes_at_once_have_no_name() -> None:
    a, b = summarise(view(run("a", 0, 6.0, norm="none"), run("b", 0, 5.0)))
    with pytest.raises(ValueError, match=r"differ in exactly one .* differ in model, norm"):
        paired_difference(b, a)


def test_protocols_are_not_compared() -> None:
    dense = {"dense": {"top1_error": 4.0}}
    found = summarise(view(run("a", 0, 6.0, also=dense), run("b", 0, 5.0, also=dense)))
    a, b = (next(s for s in found if (s.arm.model, s.protocol) == k)
            for k in (("a", "center"), ("b", "dense")))  # fmt: skip
    with pytest.raises(ValueError, match="protocol 'dense' and 'center'"):
        paired_difference(b, a)
