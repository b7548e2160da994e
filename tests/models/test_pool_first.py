"""Max-pooling before ReLU, also by ``max_pool.cpp``: the same bits, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.config.nets import shipped
from vgglab.models.build import build
from vgglab.models.kernels.build import has_kernels
from vgglab.models.kernels.select import use_kernels
from vgglab.models.vgg import VGG, Features

NAMES = shipped()
IN_CPP = ("a_lrn", "d", "vgg_m", "vgg_s")
"""Nets that the kernel of max-pooling is tested in: with and without poolings that it computes."""


def net_of(name: str, norm: Literal["none", "batch"], **switches: Any) -> VGG:
    net = build(
        ModelConfig(name=name, width=0.125, dropout=0.0),
        NormConfig(name=norm),
        InitConfig(name="he"),
        classes=10,
        image_size=72,  # a map of 9: the pooling of A to E leaves out a row and a column
    )
    wanted = TrainerConfig(accelerator="cpu", **switches)
    used = use_kernels(net, wanted)
    assert (used.pool_kernel, used.pool_first) == (wanted.pool_kernel, wanted.pool_first)
    assert net.features.pools_in_cpp == (wanted.pool_kernel == "cpp")
    assert net.features.pool_first == wanted.pool_first
    return net.to(memory_format=torch.channels_last)


def step(net: VGG, *, bf16: bool) -> list[Tensor]:
    """Logits, then every gradient and running moment."""
    generator = torch.Generator().manual_seed(5)
    images_nchw = torch.randn(3, 3, 72, 72, generator=generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits_nk = net(images_nchw.contiguous(memory_format=torch.channels_last))
    logits_nk.float().logsumexp(1).sum().backward()
    gradients = [parameter.grad for parameter in net.parameters()]
    return [logits_nk, *(g for g in gradients if g is not None), *net.buffers()]


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize(
    "name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_the_same_bits(name: str, norm: Literal["none", "batch"], bf16: bool) -> None:
    ways: list[dict[str, Any]] = [{"pool_kernel": "torch"}]
    if name in IN_CPP and has_kernels():  # else its own tests are skipped
        ways.append({"pool_kernel": "cpp"})
    plain = step(net_of(name, norm, pool_kernel="torch", pool_first=False), bf16=bf16)
    assert len(plain) > 10
    for switches in ways:
        for one, other in zip(step(net_of(name, norm, **switches), bf16=bf16), plain, strict=True):
            assert torch.equal(one, other), switches


MODULES: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(3, 3, 1),
    "norm": lambda: nn.BatchNorm2d(3),
    "relu": nn.ReLU,
    "identity": nn.Identity,
    "pool": lambda: nn.MaxPool2d(2),
}


def order(*names: str) -> list[str]:
    """Names of modules in the order in which they run."""
    ran: list[str] = []
    features = Features(*(MODULES[name]() for name in names))
    for name, module in zip(names, features, strict=True):
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    features(torch.ones(1, 3, 4, 4))
    return ran


def test_only_a_relu_with_a_pooling_right_after_it_waits() -> None:
    assert order("conv", "norm", "relu", "pool") == ["conv", "norm", "pool", "relu"]
    # LRN's place: what stands between them is not jumped over.
    assert order("conv", "relu", "identity", "pool") == ["conv", "relu", "identity", "pool"]
    assert order("conv", "relu", "conv", "relu", "pool")[2:] == ["conv", "pool", "relu"]


def test_a_nan_and_an_infinity_pass_as_they_would_have() -> None:
    x = torch.tensor([[torch.nan, 1.0, -1.0, -2.0], [0.0, -1.0, torch.inf, -torch.inf]])
    x = x.repeat(2, 1).view(1, 1, 4, 4)
    results = []
    for pool_first in (True, False):
        features = Features(nn.ReLU(), nn.MaxPool2d(2))
        features.pool_first = pool_first
        results.append(features(x.clone()))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0, equal_nan=True)
