"""A convolution and its ReLU as one operation: the values of two, and a compiled graph is whole."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.kernels import conv_relu as kernel
from vgglab.models.kernels import select
from vgglab.models.kernels.conv_relu import check, conv_relu
from vgglab.models.kernels.select import convolutions_with_relu, use_kernels
from vgglab.models.vgg import VGG
from vgglab.training.trainability import DeadUnits, weight_layers

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0), (4, 2)])
def test_values_and_gradients_are_those_of_two_operations(stride: int, padding: int) -> None:
    draw = torch.Generator().manual_seed(3)
    shapes = (2, 3, 11, 9), (5, 3, 3, 3), (5,)
    inputs = [torch.randn(s, generator=draw, dtype=torch.float64) for s in shapes]
    found = []
    for one in (True, False):
        maps, weight, bias = leaves = [value.clone().requires_grad_() for value in inputs]
        if one:
            output = conv_relu(maps, weight, bias, (stride, stride), (padding, padding))
        else:
            output = conv2d(maps, weight, bias, stride, padding).relu()
        assert 0 < (output > 0).double().mean() < 1
        found.append([output, *torch.autograd.grad(output.square().sum(), leaves)])
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs)


def test_an_input_without_gradient_gets_none() -> None:
    weight, bias = torch.randn(4, 3, 3, 3, requires_grad=True), torch.zeros(4, requires_grad=True)
    output = conv_relu(torch.randn(1, 3, 5, 5), weight, bias, (1, 1), (1, 1))
    output.sum().backward()
    assert weight.grad is not None
    assert bias.grad is not None


def net_of(name: str, norm: Any = "none", *, taken: bool) -> VGG:
    net = build(
        ModelConfig(name=name, width=0.125, dropout=0.0),
        NormConfig(name=norm),
        InitConfig(name="he"),
        classes=10,
        image_size=48,
    )
    for convolution in convolutions_with_relu(net):
        convolution.takes_relu = taken
    net.features.pool_first = not taken
    return net.to(memory_format=torch.channels_last)


def step(net: VGG) -> list[Tensor]:
    draw = torch.Generator().manual_seed(5)
    images_nchw = torch.randn(3, 3, 48, 48, generator=draw)
    with torch.autocast("cpu", torch.bfloat16):
        logits_nk = net(images_nchw.contiguous(memory_format=torch.channels_last))
    logits_nk.float().logsumexp(1).sum().backward()
    return [logits_nk.detach(), *(p.grad for p in net.parameters() if p.grad is not None)]


@pytest.mark.parametrize("name", ["a_lrn", "d", "vgg_m"])
def test_a_net_computes_the_same_in_training(name: str) -> None:
    plain, ours = step(net_of(name, taken=False)), step(net_of(name, taken=True))
    assert len(ours) == len(plain) > 10
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * float(other.abs().max()))


def test_no_convolution_takes_a_relu_that_does_not_follow_it() -> None:
    assert len(convolutions_with_relu(net_of("d", taken=True))) == 13
    assert convolutions_with_relu(net_of("d", "batch", taken=True)) == []


@pytest.mark.slow
def test_a_compiled_graph_is_whole() -> None:
    net = net_of("a", taken=True)
    plain = step(net_of("a", taken=True))
    net.compiled = torch.compile(net.eager, dynamic=False, backend="aot_eager", fullgraph=True)
    for one, other in zip(step(net), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * float(other.abs().max()))


def test_dead_units_are_counted_behind_the_relu_as_before_it() -> None:
    shares = []
    for taken in (False, True):
        net = net_of("a", taken=taken)
        with torch.no_grad():
            next(iter(net.parameters()))[:2] = 0  # two filters of the first layer
            bias = next(m for m in net.features if isinstance(m, nn.Conv2d)).bias
            assert bias is not None
            bias[:2] = -1
        units = DeadUnits([str(number) for number, _ in enumerate(weight_layers(net))])
        units.watch(net)
        step(net)
        shares.append(units.shares())
    assert shares[0]["0"] == 0.25
    assert shares[0] == shares[1]


def test_it_is_used_where_asked_for_in_bf16_on_a_gpu_where_the_kernel_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(select, "_cudnn_works", lambda device: device == "cuda")
    gpu = TrainerConfig(accelerator="gpu", precision="bf16", compile="none", conv_kernel="cudnn")
    others: list[dict[str, Any]] = [
        {},
        {"precision": "fp32"},
        {"conv_kernel": "auto"},
        {"kernels": "torch"},
        {"deterministic": True},
        {"accelerator": "cpu"},
    ]
    used = [
        use_kernels(net_of("a", taken=False), dataclasses.replace(gpu, **fields))
        for fields in others
    ]
    assert [one.conv_kernel for one in used] == ["cudnn", *["torch"] * 5]
    assert [one.pool_first for one in used] == [False, True, True, False, True, True]
    assert use_kernels(net_of("a", "batch", taken=False), gpu).conv_kernel == "torch"


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_gpu])]
)
def test_the_check_before_its_use_passes(device: str) -> None:
    check(device)


def test_a_kernel_that_computes_something_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(*arguments: Any) -> Tensor:
        return conv2d(*arguments).abs()

    select._passes.cache_clear()
    monkeypatch.setattr(kernel, "conv_relu", wrong)
    assert not select._cudnn_works("cpu")
    assert "convolution and ReLU are two kernels" in caplog.text
    select._passes.cache_clear()
