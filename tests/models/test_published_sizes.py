"""What others print of the nets, and what the arithmetic says to each figure."""

from __future__ import annotations

import pytest

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.config.nets import shipped
from vgglab.models import filters
from vgglab.models.cost import describe
from vgglab.models.published_sizes import Comparison, comparisons, is_published_size

PRINTED = {"a", "a_lrn", "b", "c", "d", "e", "vgg_f", "vgg_m", "vgg_s"}


def figures(name: str) -> list[Comparison]:
    cost = describe(ModelConfig(name=name, width=1), NormConfig(), classes=1000, image_size=224)
    return comparisons(cost)


@pytest.mark.parametrize("name", shipped())
def test_what_is_printed_comes_out_unless_we_say_why_not(name: str) -> None:
    assert all(figure.agrees == (not figure.wrong) for figure in figures(name))
    assert bool(figures(name)) == (name in PRINTED)


def test_the_counts_that_tutorials_quote_of_vgg_16() -> None:
    here = {(figure.quantity, figure.unit): figure.here for figure in figures("d")}
    assert here["parameters_without_biases", ""] == 138_344_128
    assert here["activations_convolutions", ""] == 13_547_520
    assert here["activations_convolutions", "MiB"] == 51.68
    assert here["activations_convolutions_twice", "MiB"] == 103.36
    assert here["weights_of_conv1_1", ""] == 1_728
    assert here["weights_of_conv1_2", ""] == 36_864
    assert here["weights_of_fc6", ""] == 102_760_448


def test_wrong_sources_are_named() -> None:
    wrong = {
        figure.quantity: (figure.here, figure.printed) for figure in figures("d") if figure.wrong
    }
    assert wrong["shape_of_pool5"] == ("512x7x7", "512x28x28")
    millions = next(f for f in figures("d") if f.wrong and f.unit == "millions")
    assert (millions.here, millions.printed) == (15.2, 24.0)


def test_a_net_of_another_size_is_compared_with_nothing() -> None:
    size = {"classes": 1000, "image_size": 224, "in_channels": 3}
    full = ModelConfig(name="d", width=1)
    assert is_published_size(full, NormConfig(), **size)
    assert not is_published_size(full, NormConfig(name="batch"), **size)
    assert not is_published_size(ModelConfig(name="d"), NormConfig(), **size)
    assert not is_published_size(full, NormConfig(), **size | {"image_size": 32})


def test_small_filters_in_a_stack_see_as_far_with_fewer_weights() -> None:  # paper, section 2.3
    for one, stack in filters.COMPARED:
        assert one.receptive_field == stack.receptive_field
    rows = {row["stack"]: row for row in filters.rows()}
    weights = {name: row["weights_a_channel_pair"] for name, row in rows.items()}
    assert weights == {"one 7x7": 49, "three 3x3": 27, "one 5x5": 25, "two 3x3": 18}
    assert {row["receptive_field"] for row in rows.values()} == {7, 5}
