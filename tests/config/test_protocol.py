"""Which test scales follow from a training scale, and which are refused before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from vgglab.config import ProtocolName, RecipeConfig
from vgglab.config.parse import ConfigError, parse
from vgglab.config.protocol import multiple_scales, procedure, single_scale


def recipe(smallest: int = 0, largest: int = 0) -> RecipeConfig:
    return RecipeConfig(scale_min=smallest, scale_max=largest)


@pytest.mark.parametrize(
    ("smallest", "largest", "single", "several"),
    [
        (256, 256, 256, (224, 256, 288)),  # section 4.2, Table 4
        (384, 384, 384, (352, 384, 416)),
        (256, 512, 384, (256, 384, 512)),
        (64, 64, 64, (56, 64, 72)),  # S / 8
        (48, 96, 72, (48, 72, 96)),
    ],
)
def test_scales_are_the_papers(
    smallest: int, largest: int, single: int, several: tuple[int, ...]
) -> None:
    assert single_scale(recipe(smallest, largest), 32) == single
    assert multiple_scales(recipe(smallest, largest), 32) == several


def test_without_a_training_scale_the_image_is_taken_as_it_is() -> None:
    assert single_scale(recipe(), 40) == 40
    assert multiple_scales(recipe(), 40) == (35, 40, 45)


def test_forwards_of_an_image_are_the_papers() -> None:
    def forwards(name: ProtocolName, *, flip: bool = True) -> int:
        return procedure(name, recipe(256, 512), image_size=224, flip=flip).forwards

    assert forwards("multi_crop") == 150
    assert forwards("multi_crop", flip=False) == 75
    assert forwards("ten_crop") == 10
    assert forwards("both") == 156
    assert (forwards("center"), forwards("dense"), forwards("multi_scale")) == (1, 2, 6)


def test_other_scales_than_the_rules_have_a_label_of_their_own() -> None:
    def label(*scales: int) -> str:
        return procedure(
            "multi_scale", recipe(256, 256), image_size=224, flip=True, scales=scales
        ).label

    assert label() == label(224, 256, 288) == "multi_scale"
    assert label(256, 320) == "multi_scale-256-320"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"protocol": {"name": "multi_crop"}},
            "protocol=multi_crop cuts crops of 32 px from the image at shorter sides Q of 28, 32, "
            "36 px",
        ),
        ({"protocol": {"also": ["both"]}}, "protocol=both cuts crops of 32 px"),
        ({"protocol": {"name": "multi_crop", "scales": [32]}}, "one must be larger"),
        ({"protocol": {"name": "dense", "scales": [32, 40]}}, "scales = [32, 40]: dense takes one"),
        ({"protocol": {"name": "tta"}}, "protocol.name = \"tta\": must be 'center', 'dense'"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_procedure_for_each_protocol_and_scale_once_and_its_own_first() -> None:
    config = parse(
        {"protocol": {"name": "dense", "scales": [40], "also": ["multi_scale", "dense", "center"]}}
    )
    found = [(p.label, p.scales) for p in config.procedures]
    assert found == [
        ("dense-40", (40,)),
        ("multi_scale", (28, 32, 36)),
        ("dense", (32,)),
        ("center", (32,)),
    ]


def test_a_protocol_is_also_asked_for_at_the_rules_scale() -> None:
    def labels(**protocol: object) -> list[str]:
        return [one.label for one in parse({"protocol": protocol}).procedures]

    assert labels(name="dense", scales=[64], also=["dense", "center"]) == [
        "dense-64",
        "dense",
        "center",
    ]
    assert labels(name="dense", scales=[32], also=["dense", "center", "center"]) == [
        "dense",
        "center",
    ]
    assert labels(name="center", also=["center"]) == ["center"]


def test_a_scale_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="36 is there more than once") as caught:
        parse({"protocol": {"name": "multi_scale", "scales": [36, 32, 36]}})
    assert "\n" not in str(caught.value)
