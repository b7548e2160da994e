"""``trainer.compile``: the same but for rounding, and what looks into the net still sees."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.kernels.select import use_kernels
from vgglab.models.vgg import VGG
from vgglab.training.trainability import DeadUnits

pytestmark = pytest.mark.slow


def net_of(how: Literal["none", "inductor"]) -> VGG:
    net = build(
        ModelConfig(name="a_lrn", width=0.0625, dropout=0.0),
        NormConfig(name="batch"),
        InitConfig(name="he"),
        classes=10,
        image_size=32,
    )
    used = use_kernels(net, TrainerConfig(accelerator="cpu", compile=how, lrn_kernel="torch"))
    if used.compile != how:
        pytest.skip("no C++ compiler here")
    return net.to(memory_format=torch.channels_last)


def images() -> torch.Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(5))


def test_a_compiled_step_is_the_same_but_for_rounding() -> None:
    ours, plain = net_of("inductor"), net_of("none")
    for net in (ours, plain):
        net(images()).logsumexp(1).sum().backward()
    for (label, parameter), other in zip(ours.named_parameters(), plain.parameters(), strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-3, atol=1e-4, msg=label)
    for moment, other_moment in zip(ours.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(moment, other_moment)


def test_dead_units_are_counted_in_a_compiled_net() -> None:
    net = net_of("inductor")
    net(images())
    compiled = net.features.compiled
    assert compiled is not None
    first = net.features[1]
    assert isinstance(first, torch.nn.BatchNorm2d)
    torch.nn.init.constant_(first.bias, -100.0)
    dead = DeadUnits([f"layer{number}" for number in range(11)])
    dead.watch(net)
    net(images())
    assert dead.shares()["layer0"] == 1.0
    assert net.features.compiled is compiled
