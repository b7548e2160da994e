"""A net is what its config says: a table of the user's own, a depth, and what is varied of it."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import report_runs
import torch
from kernel_of import needs_packing
from torch import nn

from vgglab.config import plain, semantic
from vgglab.config.model import (
    InitConfig,
    ModelConfig,
    NormConfig,
    NormName,
)
from vgglab.config.nets import (
    DIGESTS,
    Conv,
    Pool,
    digest,
    is_as_before,
    plain_blocks,
    shipped,
)
from vgglab.config.parse import ConfigError, parse, parse_stored
from vgglab.models.build import build
from vgglab.models.cost import describe
from vgglab.models.fully_convolutional import FullyConvolutional, total_stride
from vgglab.models.kernels.packed import Packed
from vgglab.models.layers import check_sizes, residual_units, shared_with_a, smallest_image
from vgglab.models.vgg import VGG, parameters_by_block
from vgglab.report.error_vs_depth import depth_figure
from vgglab.study import summarise

TOY = ModelConfig(
    name="toy",
    blocks=((64,), (128, 128), (256, Conv(256, kernel=1)), (256, 256)),
    hidden=(128,),
    width=1 / 8,
)
BATCH = NormConfig(name="batch")


def small(norm: NormName = "none", image_size: int = 32, **of_model: Any) -> VGG:
    fields: dict[str, Any] = {"name": "e", "width": 1 / 16, "dropout": 0.0} | of_model
    return build(
        ModelConfig(**fields), NormConfig(name=norm), InitConfig(), classes=7, image_size=image_size
    )


def images(count: int = 3, size: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_it_is_built_and_its_cost_is_the_modules() -> None:
    net = build(TOY, BATCH, InitConfig(), classes=10, image_size=32)
    cost = describe(TOY, BATCH, classes=10, image_size=32)
    assert TOY.net.weight_layers == cost.weight_layers == 9
    assert cost.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert [row.name for row in cost.layers if row.type in ("conv", "fc")] == [
        "conv1_1", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv4_1", "conv4_2", "fc5", "fc6",
    ]  # fmt: skip
    assert (smallest_image(TOY), shared_with_a(TOY)) == (16, False)
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@torch.inference_mode()
def test_dense_scores_are_those_of_crops() -> None:
    net = build(TOY, BATCH, InitConfig(), classes=5, image_size=32).eval()
    dense, images_nchw = FullyConvolutional(net), torch.rand(2, 3, 64, 64)
    crop_nchw = images_nchw[..., :32, :32]
    torch.testing.assert_close(dense(crop_nchw)[..., 0, 0], net(crop_nchw))
    maps_nchw, scores_nkhw = net.features(images_nchw), dense(images_nchw)
    assert (total_stride(net), scores_nkhw.shape) == (16, (2, 5, 3, 3))
    for top, left in itertools.product(range(3), repeat=2):
        window_nchw = maps_nchw[:, :, top : top + 2, left : left + 2]
        expected_nk = net.classifier(window_nchw.flatten(1))
        torch.testing.assert_close(scores_nkhw[:, :, top, left], expected_nk)


def test_a_table_is_kept_whole_and_read_again() -> None:
    written = json.loads(json.dumps(plain(parse({"model": plain(TOY)}))))
    assert written["model"]["blocks"][:2] == [[64], [128, 128]]
    assert parse_stored(written).model == TOY
    spelt = ModelConfig(
        name="toy", hidden=(128,), width=1 / 8,
        blocks=((Conv(64), Pool()), (128, 128), (256, Conv(256, kernel=1)), (Conv(256), 256)),
    )  # fmt: skip
    assert spelt == TOY


def test_tables_of_before_are_left_out_of_the_hash_and_others_of_their_names_are_not() -> None:
    assert set(DIGESTS) <= set(shipped())
    for name in DIGESTS:
        model = ModelConfig(name=name)
        assert digest(model.blocks) == DIGESTS[name]
        assert set(semantic(model)) == {"name", "width", "dropout", "lrn"}
    other = ModelConfig(name="d", blocks=((64,), (128,)))
    assert not is_as_before("d", other.blocks)
    assert semantic(other)["blocks"] == [[64], [128]]
    assert semantic(ModelConfig(name="plain", layers=16))["layers"] == 16
    assert parse_stored({"model": {"name": "d"}}).model.net.weight_layers == 16


@pytest.mark.parametrize(("layers", "name"), [(11, "a"), (13, "b"), (16, "d"), (19, "e")])
def test_the_familys_rule_gives_the_papers_nets(layers: int, name: str) -> None:
    model = ModelConfig(name="plain", layers=layers)
    assert model.net == ModelConfig(name=name).net
    assert model.full_name == f"plain-{layers}"


def test_the_familys_rule_at_every_depth() -> None:
    counts = {n: [len(block) for block in plain_blocks(n - 3)] for n in range(9, 60)}
    assert counts[9] == [1, 1, 1, 1, 2]
    assert counts[12] == [1, 2, 2, 2, 2]
    assert counts[14] == [2, 2, 2, 2, 3]
    assert counts[22] == [2, 2, 5, 5, 5]
    assert all(sum(found) == layers - 3 for layers, found in counts.items())
    for less, more in itertools.pairwise(counts.values()):
        assert sorted(m - n for n, m in zip(less, more, strict=True)) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"name": "toy"}, r"^model.name = toy: must be 'a', .* or 'vgg_s', or set blocks$"),
        ({"name": "Toy!", "blocks": [[64]]}, "^model.name = .*must be a name of at most"),
        ({"name": "toy", "blocks": [[64, -3]]}, r"^model.blocks.0.1 = -3: must be greater than"),
        ({"name": "toy", "blocks": [[64], []]}, "^model.blocks.1: must begin with a convolution$"),
        ({"name": "toy", "blocks": [[{"pool": 2}]]}, "^model.blocks.0: must begin with a conv"),
        ({"name": "toy", "blocks": [[64, {"pool": 2}, 64]]}, "^model.blocks.0.1: a pooling ends a"),
        ({"name": "toy", "blocks": [["wide"]]}, "^model.blocks.0.0 = .*must be channels, {chan"),
        ({"name": "toy", "blocks": [[{"channels": 8, "kernel": 4}]]}, "kernel = 4: must be odd"),
        ({"name": "toy", "blocks": [[{"channels": 8, "kernal": 3}]]}, "0.0.kernal = 3: no such"),
        ({"name": "toy", "blocks": [[64]], "hidden": None}, "^model.hidden = null: must be"),
        ({"name": "d", "blocks": [[64]], "layers": 16}, "^model.layers = 16: d has blocks; take"),
        ({"name": "plain", "layers": 8}, "^model.layers = 8: must be 9 or more, 3 of them fully"),
    ],
)  # fmt: skip
def test_a_wrong_table_ends_in_one_line(model: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse({"model": model})
    assert "\n" not in str(caught.value)


def test_the_size_of_a_pooled_map_is_torchs() -> None:
    for kernel, stride, ceil in itertools.product(range(1, 6), range(1, 6), (False, True)):
        pool = Pool(pool=kernel, stride=stride, ceil=ceil)
        module = nn.MaxPool2d(kernel, stride, ceil_mode=ceil)
        for size in range(1, 40):
            try:
                expected = module(torch.zeros(1, 1, size, size)).shape[-1]
            except RuntimeError:  # torch makes no empty map
                expected = 0
            assert max(0, pool.size(size)) == expected, (pool, size)


def test_a_map_that_vanishes_is_said() -> None:
    deep = ModelConfig(name="deep", blocks=((8,),) * 7)
    with pytest.raises(ValueError, match="image_size = 32: must be 128 or more for model=deep"):
        check_sizes(deep, classes=10, image_size=32, in_channels=3)
    deepest = ModelConfig(name="deep", blocks=((8,),) * 12)
    with pytest.raises(ValueError, match="leaves no map of an image of 1024 px; it must have"):
        check_sizes(deepest, classes=10, image_size=32, in_channels=3)


def test_what_is_copied_from_a_follows_from_the_layers() -> None:
    shared = [name for name in shipped() if shared_with_a(ModelConfig(name=name))]
    assert shared == ["b", "c", "d", "e"]
    assert shared_with_a(ModelConfig(name="plain", layers=12))
    assert not shared_with_a(ModelConfig(name="plain", layers=11))


# --- what is varied of a net ---


def test_shortcuts_go_around_pairs_that_keep_the_shape() -> None:
    # E: 64 64 | 128 128 | 256 x4 | 512 x4 | 512 x4; a block's first changes the channels but in 5.
    model = ModelConfig(name="e", skip="identity")
    assert list(residual_units(model, 3)) == [
        (1, 1), (3, 3), (5, 6), (7, 7), (9, 10), (11, 11), (12, 13), (14, 15),
    ]  # fmt: skip
    assert list(residual_units(ModelConfig(name="e"), 3)) == []


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_residual_twin_has_the_same_weights_and_adds_what_went_in(norm: NormName) -> None:
    twin, stack = small(norm, skip="identity"), small(norm)
    assert twin.state_dict().keys() == stack.state_dict().keys()
    assert all(map(torch.equal, twin.state_dict().values(), stack.state_dict().values()))
    maps, kept, convolution = images(), images(), -1
    units = list(residual_units(ModelConfig(name="e", width=1 / 16, skip="identity"), 3))
    for module in twin.features:  # by hand, in the order of the indices
        if isinstance(module, nn.Conv2d):
            convolution += 1
            kept = maps if convolution in [first for first, _ in units] else kept
        if isinstance(module, nn.ReLU) and convolution in [last for _, last in units]:
            maps = maps + kept
        maps = module(maps) if not isinstance(module, nn.ReLU) else maps.relu()
    torch.testing.assert_close(small(norm, skip="identity").features(images()), maps)
    assert not torch.allclose(stack.features(images()), maps)


VARIED: list[tuple[NormName, dict[str, Any]]] = [
    ("batch", {"skip": "identity"}),
    ("none", {"skip": "identity", "name": "a_lrn"}),
    ("group", {"width": 1 / 2}),
    ("layer", {}),
    ("none", {"activation": "gelu"}),
    ("batch", {"activation": "silu", "skip": "identity"}),
    ("none", {"pooling": "average"}),
    ("none", {"pooling": "stride"}),
    ("none", {"hidden": ()}),
    ("none", {"hidden": (256, 128, 64)}),
    ("none", {"name": "plain", "layers": 22}),
]


@pytest.mark.parametrize(("norm", "model"), VARIED, ids=str)
def test_every_variant_trains_costs_what_is_said_and_is_dense(
    norm: NormName, model: dict[str, Any]
) -> None:
    net = small(norm, **model)
    fields: dict[str, Any] = {"name": "e", "width": 1 / 16, "dropout": 0.0} | model
    config = ModelConfig(**fields)
    cost = describe(config, NormConfig(name=norm), classes=7, image_size=32)
    assert cost.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert sum(map(len, parameters_by_block(net).values())) == len(list(net.parameters()))
    net(images()).logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    with torch.inference_mode():
        net.eval()
        crop_nchw = images(2)
        dense_nk = FullyConvolutional(net)(crop_nchw)[..., 0, 0]
        torch.testing.assert_close(dense_nk, net(crop_nchw))


@needs_packing
@pytest.mark.parametrize(("norm", "model"), VARIED, ids=str)
def test_packed_weights_give_every_variants_scores(norm: NormName, model: dict[str, Any]) -> None:
    net = small(norm, **model).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected_nk = net(images())
    torch.testing.assert_close(Packed(net)(images()), expected_nk, rtol=0.05, atol=0.02)


def test_a_group_has_so_many_channels_at_least() -> None:
    sizes = {
        module.num_channels: module.num_groups
        for module in small("group", width=1 / 4).features
        if isinstance(module, nn.GroupNorm)
    }
    assert sizes == {16: 1, 32: 2, 64: 4, 128: 8}
    narrow = build(
        ModelConfig(name="a", width=0.3), NormConfig(name="group"), InitConfig(), classes=7,
        image_size=32,
    )  # fmt: skip
    assert [m.num_groups for m in narrow.features if isinstance(m, nn.GroupNorm)][:2] == [1, 2]


def test_a_nets_place_in_the_figure_follows_from_its_layers(tmp_path: Path) -> None:
    view = report_runs.make_study(tmp_path, models=("a", "a_lrn", "b", "b_5x5", "c"))
    figure = depth_figure("depth", summarise(view))
    assert figure is not None
    words = ["".join(e.itertext()) for e in ET.fromstring(figure.svg).iter()]
    assert {"A", "A-LRN", "B", "B-5x5", "C", "8", "11", "13", "16"} <= set(words)
    assert (
        "The line joins nets of 3x3 convolutions alone; A-LRN, which has LRN; B-5x5, which has 5x5 "
        "convolutions; C, which has 1x1 convolutions, are hollow marks beside it."
    ) in figure.caption
