"""The arithmetic against the paper, the modules, hooks, and torch's own counter."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.config.nets import shipped
from vgglab.models.batch_norm import BatchNorm2d
from vgglab.models.build import build
from vgglab.models.convolution import Conv2d
from vgglab.models.cost import NetCost, describe
from vgglab.models.linear import Linear
from vgglab.models.lrn import LocalResponseNorm
from vgglab.models.vgg import VGG

NormName = Literal["none", "batch"]
NAMES = shipped()

# Parameters, the same without biases, and MACs / 1e9 at 224 px and 1,000 classes:
# shared/reference/published.yaml, vgg2014, exact counts of arXiv:1409.1556v6's Table 2.
PUBLISHED: dict[str, tuple[int, int, float]] = {
    "a": (132_863_336, 132_851_392, 7.609),
    "a_lrn": (132_863_336, 132_851_392, 7.609),
    "b": (133_047_848, 133_035_712, 11.308),
    "c": (133_638_952, 133_625_536, 11.771),
    "d": (138_357_544, 138_344_128, 15.470),
    "e": (143_667_240, 143_652_544, 19.632),
}
# The same file, chatfield2014: parameters, and the side of the map after each convolution and
# pooling. What follows an LRN has the size of what came before it.
CHATFIELD: dict[str, tuple[int, list[int]]] = {
    "vgg_f": (60_834_536, [54, 27, 27, 13, 13, 13, 13, 6]),
    "vgg_m": (102_908_520, [109, 54, 26, 13, 13, 13, 13, 6]),
    "vgg_s": (102_908_520, [109, 37, 33, 17, 17, 17, 17, 6]),
}
# The same file, torchvision: parameters of vgg11_bn, 13_bn, 16_bn, 19_bn.
WITH_BATCH_NORM: dict[str, int] = {
    "a": 132_868_840, "b": 133_053_736, "d": 138_365_992, "e": 143_678_248,
}  # fmt: skip
ROW_TYPES = {
    Conv2d: "conv",
    BatchNorm2d: "batch_norm",
    LocalResponseNorm: "lrn",
    nn.MaxPool2d: "pool",
    Linear: "fc",
}


def published_size(name: str, norm: NormName = "none") -> NetCost:
    model = ModelConfig(name=name, width=1)
    return describe(model, NormConfig(name=norm), classes=1000, image_size=224)


@pytest.mark.parametrize(("name", "figures"), PUBLISHED.items())
def test_published_counts(name: str, figures: tuple[int, int, float]) -> None:
    cost = published_size(name)
    assert (cost.parameters, cost.parameters_without_biases) == figures[:2]
    assert round(cost.macs / 1e9, 3) == figures[2]


@pytest.mark.parametrize(("name", "figures"), CHATFIELD.items())
def test_published_counts_of_chatfields_nets(name: str, figures: tuple[int, list[int]]) -> None:
    cost = published_size(name)
    maps = [row.output_shape[-1] for row in cost.layers if row.type in ("conv", "pool")]
    assert (cost.parameters, maps) == figures
    assert cost.weight_layers == 8


def test_chatfields_layers_are_numbered_one_by_one() -> None:
    assert " ".join(row.name for row in published_size("vgg_m").layers) == (
        "input conv1 lrn1 pool1 conv2 lrn2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8"
    )
    assert not [row for row in published_size("vgg_s").layers if row.name == "lrn2"]


@pytest.mark.parametrize(("name", "parameters"), WITH_BATCH_NORM.items())
def test_published_counts_with_batch_norm(name: str, parameters: int) -> None:
    assert published_size(name, "batch").parameters == parameters


def test_d_layer_by_layer() -> None:
    # published.yaml, activation_accounting; weights and shapes as in cs231n's table of VGG-16
    cost = published_size("d")
    rows = {row.name: row for row in cost.layers}
    assert (cost.activations_all, cost.activations_convolutions) == (15_237_608, 13_547_520)
    assert rows["conv1_1"].parameters_without_biases == 1_728
    assert rows["conv1_2"].parameters_without_biases == 36_864
    assert rows["fc6"].parameters_without_biases == 102_760_448
    assert rows["fc8"].parameters == 4_097_000
    assert rows["conv3_3"].output_shape == (256, 56, 56)
    assert rows["pool5"].output_shape == (512, 7, 7)
    fields = {name: rows[name].receptive_field for name in ("conv1_1", "conv1_2", "pool1")}
    assert fields == {"conv1_1": 3, "conv1_2": 5, "pool1": 6}
    assert (rows["conv5_3"].receptive_field, rows["pool5"].receptive_field) == (196, 212)
    assert rows["fc6"].receptive_field == 212 + 6 * 32  # 7 positions, 32 px apart


def test_two_3x3_see_as_far_as_one_5x5() -> None:  # paper, section 2.3
    pairs = {row.name: row.receptive_field for row in published_size("b").layers}
    single = {row.name: row.receptive_field for row in published_size("b_5x5").layers}
    for block in range(1, 6):
        assert pairs[f"conv{block}_2"] == single[f"conv{block}_1"]


@pytest.mark.parametrize("width", [1 / 64, 0.25, 0.3, 1.0])
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", NAMES)
def test_counts_are_the_modules(name: str, norm: NormName, width: float) -> None:
    model, config = ModelConfig(name=name, width=width), NormConfig(name=norm)
    with torch.device("meta"):
        net = VGG(model, config, classes=37, image_size=100, in_channels=1)
    cost = describe(model, config, classes=37, image_size=100, in_channels=1)
    counts = {key: parameter.numel() for key, parameter in net.named_parameters()}
    weights = [count for key, count in counts.items() if not key.endswith("bias")]
    assert cost.parameters == sum(counts.values())
    assert cost.parameters_without_biases == sum(weights)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", NAMES)
def test_rows_are_what_hooks_see(name: str, norm: NormName) -> None:
    model, config = ModelConfig(name=name, width=1 / 8), NormConfig(name=norm)
    net = build(model, config, InitConfig(), classes=7, image_size=72)
    seen: list[tuple[str, tuple[int, ...], int, int]] = [("input", (3, 72, 72), 3 * 72 * 72, 0)]

    def see(module: nn.Module, _: object, output: Tensor) -> None:
        shape, parameters = tuple(output.shape[1:]), sum(p.numel() for p in module.parameters())
        seen.append((ROW_TYPES[type(module)], shape, output.numel(), parameters))

    for module in net.modules():
        if type(module) in ROW_TYPES:
            module.register_forward_hook(see)
    net.eval()(torch.zeros(1, 3, 72, 72))
    rows = describe(model, config, classes=7, image_size=72).layers
    assert [(r.type, r.output_shape, r.activations, r.parameters) for r in rows] == seen


@pytest.mark.parametrize("image_size", [41, 72])
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", NAMES)
def test_macs_are_half_of_torchs_flops(name: str, norm: NormName, image_size: int) -> None:
    model, config = ModelConfig(name=name, width=1 / 8), NormConfig(name=norm)
    with torch.device("meta"):
        net = VGG(model, config, classes=7, image_size=image_size)
        counter = FlopCounterMode(display=False)
        with counter:
            net.eval()(torch.zeros(1, 3, image_size, image_size))
    cost = describe(model, config, classes=7, image_size=image_size)
    assert counter.get_total_flops() == 2 * cost.macs


@pytest.mark.parametrize("name", NAMES)
def test_receptive_field_is_where_the_gradient_arrives(name: str) -> None:
    # Weights that are all positive and averages for maxima let every path through, so that the
    # gradient of one value in the middle covers its receptive field exactly.
    size, model = 512, ModelConfig(name=name, width=1 / 512)
    net = build(model, NormConfig(), InitConfig(), classes=1, image_size=size).double()
    body = nn.Sequential(
        *(
            nn.AvgPool2d(m.kernel_size, m.stride, ceil_mode=m.ceil_mode)
            if isinstance(m, nn.MaxPool2d)
            else m
            for m in net.features
        )
    )
    for parameter in body.parameters():
        nn.init.ones_(parameter)
    image_1chw = torch.ones(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    body(image_1chw)[0, 0, 8, 8].log().backward()
    assert image_1chw.grad is not None
    reached = image_1chw.grad[0, 0].abs().sum(0).nonzero().flatten()
    rows = describe(model, NormConfig(), classes=1, image_size=size).layers
    last = next(row for row in reversed(rows) if row.type == "pool")
    assert last.receptive_field == int(reached.max() - reached.min()) + 1


@pytest.mark.parametrize("name", NAMES)
def test_as_dict_is_json_with_the_contracts_keys(name: str) -> None:
    cost = describe(ModelConfig(name=name), NormConfig(), classes=10, image_size=48)
    plain = cost.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert set(plain) == {
        "model", "parameters", "parameters_without_biases", "macs", "activations_all",
        "activations_convolutions", "weight_layers", "memory", "layers",
    }  # fmt: skip
    required = {"name", "type", "output_shape", "parameters", "macs", "receptive_field"}
    assert all(required <= set(row) for row in plain["layers"])
    assert (
        sum(row["type"] in ("conv", "fc") for row in plain["layers"])
        == ModelConfig(name=name).net.weight_layers
    )
    assert (plain["model"], plain["weight_layers"]) == (
        name,
        ModelConfig(name=name).net.weight_layers,
    )


@pytest.mark.parametrize(
    ("name", "smallest"), {"a": 32, "e": 32, "vgg_f": 39, "vgg_m": 41, "vgg_s": 31}.items()
)
def test_a_size_out_of_range_is_the_users_mistake(name: str, smallest: int) -> None:
    model = ModelConfig(name=name, width=1 / 64)
    message = f"image_size = {smallest - 1}: must be {smallest} or more for model={name}"
    with pytest.raises(ValueError, match=message):
        describe(model, NormConfig(), classes=10, image_size=smallest - 1)
    net = build(model, NormConfig(), InitConfig(), classes=10, image_size=smallest)
    assert net(torch.zeros(1, 3, smallest, smallest)).shape == (1, 10)


def test_memory_is_what_hooks_see() -> None:
    model = ModelConfig(name="vgg_f", width=1 / 8)
    net = build(model, NormConfig(), InitConfig(), classes=7, image_size=72)
    sizes: list[tuple[int, int]] = []

    def see(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes.append((inputs[0].nbytes, output.nbytes))

    for module in net.modules():
        if type(module) in ROW_TYPES:
            module.register_forward_hook(see)
    net.eval()(torch.zeros(1, 3, 72, 72))
    image, weights = 4 * 3 * 72 * 72, sum(p.nbytes for p in net.parameters())
    outputs = sum(output for _, output in sizes)
    assert describe(model, NormConfig(), classes=7, image_size=72).memory() == {
        "weights": weights,
        "weights_training": 3 * weights,
        "image_forward": image + outputs,
        "image_training": image + 2 * outputs,
        "least_forward": weights + max(sum(pair) for pair in sizes),
    }


def test_table_and_cost_need_no_torch() -> None:
    modules = "vgglab.models.published_sizes, vgglab.models.filters"
    check = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
