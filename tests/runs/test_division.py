"""When the division of a step over devices gives a run another name."""

from __future__ import annotations

from typing import Any

import pytest

from vgglab.config.parse import ConfigError, parse
from vgglab.runs import content_hash


def name(norm: str = "none", **fields: Any) -> str:
    top = {key: fields.pop(key) for key in ("devices", "nodes") if key in fields}
    tree = {"norm": {"name": norm}, "trainer": {"precision": "fp32"} | fields} | top
    return content_hash(parse(tree), "f")


@pytest.mark.parametrize(
    "fields",
    [
        {"devices": 8},
        {"devices": 4, "nodes": 2, "bucket_mib": 50.0, "checkpoint_minutes": 1.0},
        {"accumulate": 4},
        {"devices": 2, "batch_norm": "local"},  # there is none
        {"compress_gradients": "bf16"},  # on one device there is nothing to send
        {"compress_gradients": "bf16", "head_gradients": "factors"},
        {"devices": 8, "head_gradients": "factors"},  # the same but for rounding
    ],
)
def test_without_batch_norm_a_run_has_one_name(fields: dict[str, Any]) -> None:
    assert name(**fields) == name()


@pytest.mark.parametrize("fields", [{"devices": 8}, {"batch_norm": "local"}])
def test_synchronised_batch_norm_is_that_of_one_device(fields: dict[str, Any]) -> None:
    assert name("batch", **fields) == name("batch")


def test_what_changes_the_result_changes_the_name() -> None:
    names = [
        name("batch"),
        name("batch", accumulate=2),
        name("batch", devices=2, batch_norm="local"),
        name("batch", devices=4, batch_norm="local"),
        name("batch", devices=2, accumulate=2, batch_norm="local"),
        name("batch", devices=2, compress_gradients="bf16"),
        name("batch", devices=4, compress_gradients="bf16"),
        name("batch", devices=4, compress_gradients="bf16", head_gradients="factors"),
    ]
    assert len(set(names)) == len(names)
    assert name("batch", devices=4, accumulate=2) == names[1]


def test_devices_still_to_be_counted_have_no_name() -> None:
    with pytest.raises(ValueError, match="devices = 0"):
        name(devices=0)


def test_a_batch_has_an_image_for_each_part() -> None:
    parse({"recipe": {"batch_size": 12}, "devices": 2, "nodes": 2, "trainer": {"accumulate": 3}})
    with pytest.raises(ConfigError, match=r"recipe\.batch_size = 11: must be at least devices"):
        parse(
            {"recipe": {"batch_size": 11}, "devices": 2, "nodes": 2, "trainer": {"accumulate": 3}}
        )
