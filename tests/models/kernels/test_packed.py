"""Packed weights: the scores of bf16 autocast, to the bit."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import pytest
import torch
from kernel_of import needs_packing
from torch import nn

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.config.nets import shipped
from vgglab.models.build import build
from vgglab.models.fully_convolutional import FullyConvolutional
from vgglab.models.kernels import packed, select
from vgglab.models.kernels.packed import Packed
from vgglab.models.kernels.select import uses_packed_weights
from vgglab.models.vgg import VGG

NAMES = shipped()


def net_of(name: str, norm: Literal["none", "batch"]) -> VGG:
    net = build(
        ModelConfig(name=name, width=0.125),
        NormConfig(name=norm),
        InitConfig(name="he"),
        classes=10,
        image_size=72,
    )
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after some training
            nn.init.uniform_(module.weight, 0.5, 1.5)
            assert module.running_mean is not None
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return net.to(memory_format=torch.channels_last).eval()


@needs_packing
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", NAMES)
def test_the_bits_of_autocast(name: str, norm: Literal["none", "batch"]) -> None:
    net = net_of(name, norm)
    dense = FullyConvolutional(net).to(memory_format=torch.channels_last)
    for plain, larger in ((net, 72), (dense, 136)):
        packed = Packed(plain)
        for count, side in ((3, 72), (2, larger)):  # batches may differ in size
            images_nchw = torch.randn(count, 3, side, side)
            images_nchw = images_nchw.contiguous(memory_format=torch.channels_last)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                expected = plain(images_nchw)
            scores = packed(images_nchw)
            assert scores.dtype == expected.dtype == torch.bfloat16
            assert torch.equal(scores, expected)


def test_a_processor_without_the_kernels_tests_without_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_: str) -> None:
        raise RuntimeError("mkldnn_reorder_conv2d_weight: bf16 path needs the cpu support avx512bw")

    monkeypatch.setattr(packed, "check", refused)
    select._passes.cache_clear()
    try:
        assert not uses_packed_weights(TrainerConfig(accelerator="cpu", precision="bf16"))
    finally:
        select._passes.cache_clear()
    assert "tests round weights for each batch, as packing fails here: mkldnn" in caplog.text


@needs_packing
def test_only_in_bf16_on_a_cpu() -> None:
    trainer = TrainerConfig(accelerator="cpu", precision="bf16")
    assert uses_packed_weights(trainer)
    changes: list[dict[str, Any]] = [
        {"pack_weights": False},
        {"precision": "fp32"},
        {"accelerator": "gpu"},
        {"kernels": "torch"},
    ]
    for change in changes:
        assert not uses_packed_weights(dataclasses.replace(trainer, **change))
