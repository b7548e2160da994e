from __future__ import annotations

import pytest

from vgglab.report.wording import (
    MINUS,
    NONE,
    ArmNames,
    measured,
    model_label,
    number,
    signed,
    signed_span,
)
from vgglab.study import Arm, estimate

A, B = Arm("a", "batch", "he"), Arm("b", "batch", "he")
PLAIN = Arm("a", "none", "he")


@pytest.mark.parametrize(
    ("value", "plain", "with_sign"),
    [
        (1.234, "1.23", "+1.23"),
        (-1.236, f"{MINUS}1.24", f"{MINUS}1.24"),
        (-0.001, "0.00", "0.00"),
        (0.0, "0.00", "0.00"),
        (None, NONE, NONE),
    ],
)
def test_numbers(value: float | None, plain: str, with_sign: str) -> None:
    assert (number(value), signed(value)) == (plain, with_sign)


def test_an_end_near_zero_shows_its_side() -> None:
    assert signed_span((-0.89, -0.004)) == f"{MINUS}0.89 to {MINUS}0.004"
    assert signed_span((0.0, 1.0)) == "0.00 to +1.00"


@pytest.mark.parametrize(
    ("model", "label"), [("a_lrn", "A-LRN"), ("b_5x5", "B-5x5"), ("e", "E"), ("vgg_f", "VGG-F")]
)
def test_models_are_spelt_as_in_the_paper(model: str, label: str) -> None:
    assert model_label(model) == label


def test_names_say_no_more_than_they_must() -> None:
    assert ArmNames([A, B])(A) == "A"
    names = ArmNames([A, B, PLAIN])
    assert (names(A), names(PLAIN)) == ("A with batch norm", "A without batch norm")


def test_measured_shows_a_range_only_where_there_is_one() -> None:
    assert measured(estimate([31.0, 30.0, 32.0]), 1) == "31.0 (30.0 to 32.0)"
    assert measured(estimate([31.01, 31.02]), 1) == "31.0"
    assert measured(None, 1) == NONE
