"""Which errors count as those of a net that has not trained."""

from __future__ import annotations

import pytest

from vgglab.runs.records import is_guessing


@pytest.mark.parametrize(
    ("error", "classes", "k", "guessing"),
    [
        (81.0, 10, 1, True),
        (80.9, 10, 1, False),
        (45.0, 2, 1, True),
        (44.9, 2, 1, False),
        (90.0, 100, 1, False),  # ten times the accuracy of chance
        (98.1, 100, 1, True),
        (90.0, 1000, 1, False),
        (99.81, 1000, 1, True),
        (99.1, 1000, 5, True),
        (98.9, 1000, 5, False),
    ],
)
def test_a_net_that_guesses_is_within_a_tenth_and_below_twice(
    error: float, classes: int, k: int, *, guessing: bool
) -> None:
    assert is_guessing(error, classes, k) == guessing
