"""A parent is the run itself with declared changes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from vgglab.config import Config, InitConfig, ModelConfig
from vgglab.config.parent import ancestors, parent_of
from vgglab.config.parse import ConfigError, parse


def config(init: str, parent: dict[str, Any] | None = None, **fields: Any) -> Config:
    own = {"model": {"name": "d", "width": 0.5}, "seed": 3, "norm": {"name": "batch"}}
    return parse(own | {"init": {"name": init, "parent": parent or {}}} | fields)


def test_a_run_that_draws_its_weights_has_no_parent() -> None:
    assert parent_of(config("he")) is None
    assert ancestors(config("gaussian")) == []


def test_pretrained_a_starts_from_a_that_is_the_same_otherwise() -> None:
    child = config("pretrained_a", recipe={"learning_rate": 0.3, "scale_min": 40, "scale_max": 40})
    model = ModelConfig(name="a", width=0.5)
    expected = dataclasses.replace(child, model=model, init=InitConfig(name="gaussian"))
    assert parent_of(child) == expected


def test_from_run_is_the_same_net_and_seed_with_the_changes() -> None:
    parent = parent_of(config("from_run", {"recipe": {"epochs": 9}, "init": {"name": "he"}}))
    assert parent is not None
    assert (parent.model.name, parent.seed, parent.norm.name) == ("d", 3, "batch")
    assert (parent.recipe.epochs, parent.init.name) == (9, "he")
    assert parent.recipe.batch_size == config("he").recipe.batch_size


def test_a_chain_as_long_as_it_is_declared() -> None:  # paper, section 3.1: jitter, S = 384, 256, A
    jittered = config(
        "from_run",
        {
            "recipe": {"scale_min": 384, "scale_max": 384},
            "init": {
                "name": "from_run",
                "parent": {
                    "recipe": {"scale_min": 256, "scale_max": 256, "learning_rate": 0.01},
                    "init": {"name": "pretrained_a"},
                },
            },
        },
        recipe={"scale_min": 256, "scale_max": 512, "learning_rate": 0.001},
    )
    found = [
        (c.model.name, c.init.name, c.recipe.scale_min, c.recipe.scale_max, c.recipe.learning_rate)
        for c in ancestors(jittered)
    ]
    assert found == [
        ("d", "from_run", 384, 384, 0.001),
        ("d", "pretrained_a", 256, 256, 0.01),
        ("a", "gaussian", 256, 256, 0.01),
    ]


def test_a_parent_on_other_data_has_that_datas_fields() -> None:
    parent = parent_of(config("from_run", {"data": {"name": "cluttered_digits", "fragments": 2}}))
    assert parent is not None
    assert (parent.data.name, parent.data.image_size) == ("cluttered_digits", 32)


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ({"recipe": {"epocs": 3}}, "init.parent.recipe.epocs = 3: no such field; did you mean"),
        ({"recipe": {"epochs": 0}}, "init.parent.recipe.epochs = 0: must be greater than 0"),
        ({"paths": {"runs": "x"}}, "init.parent.paths: a parent may differ in seed, model, norm"),
        ({"init": {"name": "f"}}, 'init.parent.init.name = "f": must be'),
    ],
)
def test_a_mistake_in_it_ends_in_one_line(parent: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parent_of(config("from_run", parent))
    assert str(caught.value).startswith(message.replace("greater than 0", "greater than"))
    assert "\n" not in str(caught.value)


def test_only_a_run_with_a_parent_may_describe_one() -> None:
    with pytest.raises(ConfigError, match=r"init\.parent = .*init=he draws its weights"):
        config("he", {"seed": 4})
