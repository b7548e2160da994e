"""Batch norm over processes, on a fake process group of two, whose sums are this process's own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from host_waits import CUDA, HostWaits, fake_cuda
from torch import nn

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.models import batch_norm
from vgglab.models.batch_norm import BatchNorm2d, synchronised
from vgglab.models.vgg import VGG


@pytest.fixture
def two_processes() -> Iterator[None]:
    fake: Any = importlib.import_module("torch.testing._internal.distributed.fake_pg")
    dist.init_process_group("fake", store=fake.FakeStore(), rank=0, world_size=2)
    yield
    dist.destroy_process_group()


def net_of_run() -> nn.Module:
    net = VGG(
        ModelConfig(name="a", width=0.0625), NormConfig(name="batch"), classes=9, image_size=32
    )
    return synchronised(net).train()


@pytest.mark.usefixtures("two_processes")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what torch.compile imports
@pytest.mark.slow
def test_the_convolutions_compile_whole() -> None:
    """torch's own layer breaks the graph, and then nothing of the net is compiled."""
    net = net_of_run()
    assert isinstance(net, VGG)
    whole = torch.compile(net.features, backend="aot_eager", fullgraph=True)
    images_nchw = torch.randn(4, 3, 32, 32)
    whole(images_nchw).square().sum().backward()
    compiled = [parameter.grad for parameter in net.features.parameters()]
    net.zero_grad()
    net.features(images_nchw).square().sum().backward()
    for gradient, parameter in zip(compiled, net.features.parameters(), strict=True):
        assert gradient is not None
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("two_processes")
def test_no_layer_waits_for_a_gpu() -> None:
    with fake_cuda(), torch.device(CUDA):
        net = net_of_run()
        layers = [module for module in net.modules() if isinstance(module, BatchNorm2d)]
        assert all(layer.over_processes for layer in layers)
        with HostWaits() as waits:
            layers[0](torch.randn(4, 4, 32, 32))
    assert not waits.found


def test_one_value_leaves_no_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_norm, "_sum_over_processes", lambda values: values)
    layer = BatchNorm2d(4)
    layer.over_processes = True
    assert layer(torch.randn(1, 4, 1, 1)).isfinite().all()
    assert layer.running_var is not None
    assert layer.running_var.isfinite().all()
