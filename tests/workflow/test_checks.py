"""A net that does not fit its images or its parent ends in one line, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from vgglab.config.parse import ConfigError, parse
from vgglab.workflow.checks import check_net


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"name": "vgg_f"}}, "data.image_size = 32: must be 39 or more for model=vgg_f"),
        ({"model": {"name": "vgg_m"}}, "data.image_size = 32: must be 41 or more for model=vgg_m"),
        (
            {"init": {"name": "pretrained_a"}},
            "init=pretrained_a: model=a has not the layers of A that it copies; must be one of b",
        ),
        (
            {"model": {"name": "b_5x5"}, "init": {"name": "pretrained_a"}},
            "init=pretrained_a: model=b_5x5 has not the layers of A",
        ),
        (
            {"model": {"name": "d"}, "init": {"name": "pretrained_a"}}
            | {"init": {"name": "pretrained_a", "parent": {"model": {"name": "b"}}}},
            "init.parent.model.name = b: init=pretrained_a copies from a",
        ),
        (
            {"init": {"name": "from_run", "parent": {"model": {"width": 0.5}}}},
            "init=from_run: its parent's model.width is 0.5, must be 0.25 for its weights to fit",
        ),
        (
            {"init": {"name": "from_run", "parent": {"norm": {"name": "batch"}}}},
            "init=from_run: its parent's norm.name is batch, must be none",
        ),
        (
            {"init": {"name": "from_run", "parent": {"data": {"image_size": 64}}}},
            "its parent's map before the first fully connected layer is 2, must be 1",
        ),
    ],
)
def test_one_line_says_what_does_not_fit(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_net(parse(values))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"model": {"name": "vgg_s"}},
        {"model": {"name": "vgg_m"}, "data": {"name": "digits", "image_size": 41}},
        {"model": {"name": "d"}, "init": {"name": "pretrained_a"}},
        {"init": {"name": "from_run", "parent": {"data": {"image_size": 40}}}},
    ],
)
def test_what_fits_passes(values: dict[str, Any]) -> None:
    check_net(parse(values))
