from __future__ import annotations

import pytest

from vgglab.report.wording import (
    MINUS,
    NONE,
    ArmNames,
    difference_sentence,
    measured,
    model_label,
    number,
    signed,
    signed_span,
)
from vgglab.study import Arm, Difference, estimate

A, B = Arm("a", "batch", "he"), Arm("b", "batch", "he")
PLAIN = Arm("a", "none", "he")


def sentence(*differences: float, unpaired: tuple[int, ...] = ()) -> str:
    difference = Difference(B, A, dict(enumerate(differences)), unpaired)
    return difference_sentence(difference, ArmNames([A, B]))


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
    assert names.difference(B, A) == f"B {MINUS} A with batch norm"
    assert names.difference(A, PLAIN) == f"A with batch norm {MINUS} A without batch norm"


def test_sentences_name_the_side_of_zero() -> None:
    assert "the error of B is 2.00 percentage points lower" in sentence(-1.9, -2.0, -2.1)
    assert sentence(-1.9, -2.0, -2.1).endswith("excludes zero.")
    assert "0.10 percentage points higher" in sentence(-0.5, 0.7, 0.1)
    assert sentence(-0.5, 0.7, 0.1).endswith("includes zero.")


def test_sentences_of_few_pairs() -> None:
    assert "no difference to state" in sentence(unpaired=(0, 1))
    assert "one pair gives no interval." in sentence(-1.0)
    left_out = "Seeds 1, 2 trained in only one of the two and are left out."
    assert sentence(-1.0, unpaired=(1, 2)).endswith(left_out)
    assert "not to be trusted" in sentence(-0.5, -0.5)


def test_measured_shows_a_range_only_where_there_is_one() -> None:
    assert measured(estimate([31.0, 30.0, 32.0]), 1) == "31.0 (30.0 to 32.0)"
    assert measured(estimate([31.01, 31.02]), 1) == "31.0"
    assert measured(None, 1) == NONE
