"""Weights from a trained net arrive where they belong, and nowhere else."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.transfer import copy_all, copy_from_a, modules_by_layer
from vgglab.models.vgg import VGG

COPIED = ("conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8")
"""A's first four convolutions and its fully connected layers (section 3.1)."""


def net(name: str, norm: Literal["none", "batch"], seed: int) -> VGG:
    model = ModelConfig(name=name, width=1 / 32)
    sizes = {"classes": 7, "image_size": 64, "in_channels": 1}
    made = build(model, NormConfig(name=norm), InitConfig(name="glorot"), seed=seed, **sizes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in made.state_dict().values():
            if value.is_floating_point() and not value.any():  # biases and running means
                value.normal_(generator=generator)
    return made


def of_layer(made: VGG, name: str, layer: str) -> list[Tensor]:
    prefixes = modules_by_layer(made, ModelConfig(name=name))[layer]
    state = made.state_dict()
    return [v for k, v in state.items() if any(k.startswith(f"{p}.") for p in prefixes)]


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", ["b", "c", "d", "e"])
def test_the_seven_layers_of_a_and_no_others(name: str, norm: Literal["none", "batch"]) -> None:
    a, child, untouched = net("a", norm, 1), net(name, norm, 2), net(name, norm, 2)
    copy_from_a(child, ModelConfig(name=name, width=1 / 32), NormConfig(name=norm), a.state_dict())
    for layer in modules_by_layer(child, ModelConfig(name=name)):
        copied = layer in COPIED
        expected = of_layer(a, "a", layer) if copied else of_layer(untouched, name, layer)
        pairs = zip(of_layer(child, name, layer), expected, strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs), layer
        values = 2 if layer.startswith("fc") or norm == "none" else 7
        assert len(of_layer(child, name, layer)) == values


def test_layers_have_the_names_of_the_table() -> None:
    names = list(modules_by_layer(net("c", "batch", 0), ModelConfig(name="c")))
    assert names[:5] == ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
    assert names[-3:] == ["fc6", "fc7", "fc8"]
    assert len(names) == 16


def test_by_order_as_against_by_place_the_papers_layers_would_not_fit() -> None:
    a, d = net("a", "none", 0), net("d", "none", 0)
    shapes = {
        name: [p.shape for p in made.parameters() if p.ndim == 4][1]
        for name, made in (("a", a), ("d", d))
    }
    assert shapes["a"] != shapes["d"]


def test_all_of_them() -> None:
    one, other = net("d", "batch", 1), net("d", "batch", 2)
    copy_all(other, one.state_dict())
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_a_net_that_is_built_otherwise_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key"):
        copy_all(net("d", "none", 0), net("e", "none", 0).state_dict())
