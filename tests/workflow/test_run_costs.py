"""Which runs are taken to cost the same, step for step."""

from __future__ import annotations

from typing import Any

import pytest

from vgglab.config import Config
from vgglab.config.parse import parse
from vgglab.workflow.run_costs import net_key


def photographs(**fields: Any) -> Config:
    data = {"name": "imagenette", "image_size": 64} | fields.pop("data", {})
    recipe = {"scale_min": 72, "scale_max": 72} | fields.pop("recipe", {})
    return parse({"data": data, "recipe": recipe, "trainer": {"precision": "fp32"}} | fields)


@pytest.mark.parametrize(
    ("change", "costs_the_same"),
    [
        ({"seed": 1}, True),
        ({"recipe": {"epochs": 9}}, True),
        ({"data": {"root": "elsewhere"}}, True),
        ({"protocol": {"also": ["dense"]}}, False),
        ({"recipe": {"select": "last"}}, False),
        ({"trainer": {"precision": "fp32", "keep_checkpoints": "all"}}, False),
        ({"trainer": {"precision": "fp32", "accelerator": "cpu"}}, False),
        ({"devices": 2}, False),
        ({"init": {"name": "glorot"}}, True),
        ({"data": {"decoder": "pillow"}}, False),
        ({"recipe": {"batch_size": 32}}, False),
        ({"recipe": {"scale_max": 80}}, False),
        ({"norm": {"name": "batch"}}, False),
        ({"model": {"width": 0.5}}, False),
        ({"trainer": {"precision": "bf16"}}, False),
    ],
)
def test_nets_are_told_apart_by_what_a_step_and_a_test_cost(
    change: dict[str, Any], costs_the_same: bool
) -> None:
    assert (net_key(photographs(**change)) == net_key(photographs())) is costs_the_same
