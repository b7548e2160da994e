"""``trainer.compile``: the same but for rounding, and what looks into the net still sees."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
import pytest
import torch

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.data.loaders import Batch
from vgglab.models.build import build
from vgglab.models.dropout import dropout_layers, keyed_dropout, keyed_mask
from vgglab.models.kernels.select import _can_be_graphs, use_kernels
from vgglab.models.vgg import VGG
from vgglab.training.trainability import DeadUnits, look_through

pytestmark = pytest.mark.slow


def net_of(how: Literal["none", "inductor"], dropout: float = 0.0) -> VGG:
    net = build(
        ModelConfig(name="a_lrn", width=0.0625, dropout=dropout),
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


def test_the_masks_of_dropout_are_the_same_bits() -> None:
    keys_n = torch.randint(-(2**31), 2**31, (64,), generator=torch.Generator().manual_seed(1))
    arguments = keys_n.to(torch.int32), 1, 300, 0.5
    compiled = torch.compile(keyed_mask, dynamic=False)
    assert torch.equal(compiled(*arguments), keyed_mask(*arguments))


def test_the_head_is_compiled_too() -> None:
    net = net_of("inductor", dropout=0.5)
    graphs: list[Any] = []

    def kept(graph: Any, examples: Any) -> Any:
        graphs.append(graph)
        return graph

    net.compiled = torch.compile(
        net.eager,
        dynamic=False,
        fullgraph=True,
        backend=kept,
    )
    for seed in range(3):
        keys_n = torch.full((4,), seed, dtype=torch.int32)
        with keyed_dropout(dropout_layers(net), keys_n):
            logits_nk = net(images())
            torch.testing.assert_close(logits_nk, net.eager(images()), rtol=1e-3, atol=1e-4)
    assert len(graphs) == 1  # other keys, the same code
    names = [str(node.target) for node in graphs[0].graph.nodes]
    assert any("linear" in name for name in names)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_graphs_are_for_one_gpu_and_whole_steps(accumulate: int) -> None:
    net = net_of("none")
    trainer = TrainerConfig(accelerator="cpu", compile="graphs", accumulate=accumulate)
    assert use_kernels(net, trainer).compile == "inductor"
    on_gpu = dataclasses.replace(trainer, accelerator="gpu")
    assert _can_be_graphs(on_gpu) is (accumulate == 1)


def test_dead_units_are_counted_in_a_compiled_net() -> None:
    net = net_of("inductor")
    net(images())
    compiled = net.compiled
    assert compiled is not None
    first = net.features[1]
    assert isinstance(first, torch.nn.BatchNorm2d)
    torch.nn.init.constant_(first.bias, -100.0)
    dead = DeadUnits([f"layer{number}" for number in range(11)])
    dead.watch(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    keys_n = torch.zeros(4, dtype=torch.int32)
    look_through(net, Batch(images(), keys_n, np.arange(4), 0, 4, {"dropout": keys_n}))
    dead.rest()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.compiled is compiled
    net(images() * 0 + 50)
    assert dead.shares()["layer0"] == 1.0
