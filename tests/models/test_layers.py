"""The layer table: depth, shape of each column of Table 1, sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vgglab.config.model import ModelConfig
from vgglab.config.nets import Conv, Pool, shipped
from vgglab.models.layers import map_size, scaled

# arXiv:1409.1556v6, Table 1, row "weight layers"; b_5x5 is section 4.1's shallow net.
DEPTHS: dict[str, int] = {
    "a": 11, "a_lrn": 11, "b": 13, "c": 16, "d": 16, "e": 19, "b_5x5": 8,
}  # fmt: skip
# arXiv:1405.3531, Table 1: five convolutions and three fully connected layers each.
CHATFIELDS: dict[str, int] = {"vgg_f": 8, "vgg_m": 8, "vgg_s": 8}
CONF = Path(__file__).resolve().parents[2] / "conf" / "model"


def test_every_net_is_a_file_that_says_its_name() -> None:
    names = {path.stem for path in CONF.glob("*.yaml")}
    assert names == {*shipped(), "plain"} == {*DEPTHS, *CHATFIELDS, "plain"}
    for name in names:
        assert yaml.safe_load((CONF / f"{name}.yaml").read_text("utf-8"))["name"] == name


@pytest.mark.parametrize(("name", "depth"), (DEPTHS | CHATFIELDS).items())
def test_depth_is_the_papers(name: str, depth: int) -> None:
    assert ModelConfig(name=name).net.weight_layers == depth


def convolutions(name: str) -> tuple[Conv, ...]:
    return ModelConfig(name=name).net.convolutions


@pytest.mark.parametrize("name", DEPTHS)
def test_blocks_of_one_width_each_end_in_a_pool(name: str) -> None:
    blocks: list[set[int]] = [set()]
    for layer in ModelConfig(name=name).net.layers:
        if isinstance(layer, Pool):
            blocks.append(set())
        else:
            blocks[-1].add(layer.channels)
    assert blocks == [{64}, {128}, {256}, {512}, {512}, set()]


def test_c_and_d_differ_in_the_kernel_of_three_layers_only() -> None:
    pairs = zip(convolutions("c"), convolutions("d"), strict=True)
    different = [(place, c.kernel, d.kernel) for place, (c, d) in enumerate(pairs) if c != d]
    assert different == [(6, 1, 3), (9, 1, 3), (12, 1, 3)]


def test_a_lrn_is_a_with_lrn_after_the_first_convolution() -> None:
    assert [conv.lrn for conv in convolutions("a_lrn")] == [True] + 7 * [False]
    assert convolutions("a_lrn")[1:] == convolutions("a")[1:]


def test_b_5x5_is_b_with_each_pair_as_one_5x5() -> None:
    pairs = convolutions("b")
    assert pairs[::2] == pairs[1::2]
    expected = tuple(Conv(conv.channels, kernel=5) for conv in pairs[::2])
    assert convolutions("b_5x5") == expected


@pytest.mark.parametrize(
    ("count", "width", "expected"),
    [(64, 0.25, 16), (4096, 0.25, 1024), (64, 1, 64), (64, 0.001, 1), (5, 0.5, 3), (64, 0.3, 19)],
)
def test_scaled_rounds_to_nearest_and_never_to_zero(
    count: int, width: float, expected: int
) -> None:
    assert scaled(count, width) == expected


@pytest.mark.parametrize(
    ("image_size", "expected"), [(32, 1), (63, 1), (64, 2), (224, 7), (255, 7), (256, 8)]
)
def test_map_size_is_five_floored_halvings(image_size: int, expected: int) -> None:
    assert {map_size(ModelConfig(name=name), image_size) for name in DEPTHS} == {expected}


@pytest.mark.parametrize(("size", "floor", "ceil"), [(7, 3, 3), (8, 3, 4), (2, 0, 1), (1, 0, 0)])
def test_a_window_that_is_not_full_counts_with_ceil_alone(size: int, floor: int, ceil: int) -> None:
    assert Pool(pool=3, stride=2).size(size) == floor
    assert Pool(pool=3, stride=2, ceil=True).size(size) == ceil
