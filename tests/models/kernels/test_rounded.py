"""Weights rounded once: the scores of bf16 autocast, to the bit."""

from __future__ import annotations

import threading
from typing import Literal

import pytest
import torch
from torch import nn

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.fully_convolutional import FullyConvolutional
from vgglab.models.kernels.rounded import Rounded


class Hook:
    """Holds what no one can copy, as an exchange between processes that is under way."""

    def __init__(self) -> None:
        self._held = threading.Lock()
        self.seen: set[torch.dtype] = set()

    def after(self, net: nn.Module, inputs: object, output: torch.Tensor) -> None:
        self.seen.add(output.dtype)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", ["a", "a_lrn", "d"])
def test_the_bits_of_autocast(name: str, norm: Literal["none", "batch"]) -> None:
    net = build(
        ModelConfig(name=name, width=0.125),
        NormConfig(name=norm),
        InitConfig(name="he"),
        classes=10,
        image_size=72,
    ).eval()
    # As after a training in several processes: hooks of what cannot be copied.
    net.register_forward_hook(Hook().after)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for plain, side in ((net, 72), (FullyConvolutional(net), 136)):
        images_nchw = torch.randn(2, 3, side, side)
        once = Rounded(plain)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(once(images_nchw), plain(images_nchw))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
