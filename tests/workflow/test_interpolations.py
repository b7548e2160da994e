"""Which fields may be in what a config refers to."""

from __future__ import annotations

import pytest

from vgglab.workflow.interpolations import Interpolations


@pytest.mark.parametrize(
    ("written", "field", "is_used"),
    [
        ("a: 1", "recipe.learning_rate", False),
        ("a: ${recipe.learning_rate}", "recipe.learning_rate", True),
        ("a: ${.learning_rate}", "recipe.learning_rate", True),
        ("a: ${recipe}", "recipe.learning_rate", True),
        ("a: ${recipe.epochs}", "recipe.learning_rate", False),
        ("a: ${recipe.schedule.name}", "recipe.schedule", True),
        ("a: ${usual_scale:${data.image_size}}", "recipe.learning_rate", False),
        ("a: ${usual_scale:${data.image_size}}", "data.image_size", True),
        ("a: ${oc.select:recipe.learning_rate,1}", "recipe.learning_rate", True),
        ("a: ${oc.dict.keys:recipe}", "recipe.learning_rate", True),
        ("a: ${recipe.${b}}", "seed", True),
        ("a: x${b}-${seed}", "seed", True),
        ("a: ${data.split_seed}", "seed", False),
    ],
)
def test_it_may_use_a_field(written: str, field: str, is_used: bool) -> None:
    assert Interpolations.of(written).may_use(field) == is_used
