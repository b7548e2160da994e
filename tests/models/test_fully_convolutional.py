"""The net as convolutions is the same net."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from vgglab.config import InitConfig, ModelConfig, NormConfig
from vgglab.config.nets import shipped
from vgglab.models.build import build
from vgglab.models.fully_convolutional import FullyConvolutional, total_stride
from vgglab.models.vgg import VGG

Norm = Literal["none", "batch"]


def trained_looking(name: str, norm: Norm, image_size: int, width: float = 0.0625) -> VGG:
    """A net whose biases and batch-norm moments are not those of a new one."""
    net = build(
        ModelConfig(name=name, width=width),
        NormConfig(name=norm),
        InitConfig(),
        classes=7,
        image_size=image_size,
        in_channels=2,
        seed=1,
    )
    generator = torch.Generator().manual_seed(2)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            assert module.bias is not None
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return net.eval()


def images(count: int, size: int) -> torch.Tensor:
    return torch.randn(count, 2, size, size, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", shipped())
@torch.inference_mode()
def test_at_the_crop_it_gives_the_plain_scores(name: str, norm: Norm) -> None:
    worst = 0.0
    smallest = {"vgg_f": 48, "vgg_m": 48}.get(name, 32)  # their first layers leave nothing of 32 px
    for size in (smallest, 64, 96):
        net = trained_looking(name, norm, size)
        images_nchw = images(4, size)
        plain_nk, dense_nkhw = net(images_nchw), FullyConvolutional(net)(images_nchw)
        assert dense_nkhw.shape == (4, 7, 1, 1)
        difference = (dense_nkhw[..., 0, 0] - plain_nk).abs().max() / plain_nk.abs().max()
        worst = max(worst, float(difference))
    print(f"{name} {norm}: largest difference {worst:.1e} of the largest score")
    assert worst < 1e-5


@torch.inference_mode()
def test_at_224_px_the_first_layer_is_7x7() -> None:
    net = trained_looking("d", "batch", 224)
    dense = FullyConvolutional(net)
    kernels = [m.kernel_size for m in dense.classifier if isinstance(m, nn.Conv2d)]
    assert kernels == [(7, 7), (1, 1), (1, 1)]
    plain_nk, dense_nkhw = net(images(1, 224)), dense(images(1, 224))
    assert torch.allclose(dense_nkhw[..., 0, 0], plain_nk, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_larger_images_give_a_place_every_stride() -> None:
    net = trained_looking("a", "none", 64)
    assert total_stride(net) == 32
    for size, places in ((64, 1), (95, 1), (96, 2), (160, 4)):
        assert FullyConvolutional(net)(images(1, size)).shape[2:] == (places, places)


@torch.inference_mode()
def test_a_place_is_the_classifier_on_the_map_under_it() -> None:
    net = trained_looking("a", "none", 64)
    images_nchw = images(1, 128)
    maps_nchw, scores_nkhw = net.features(images_nchw), FullyConvolutional(net)(images_nchw)
    assert scores_nkhw.shape[2:] == (3, 3)
    for top in range(3):
        for left in range(3):
            window = maps_nchw[:, :, top : top + 2, left : left + 2]
            expected_nk = net.classifier(window.flatten(1))
            assert torch.allclose(scores_nkhw[:, :, top, left], expected_nk, atol=1e-5)


def test_the_weights_are_not_copied() -> None:
    net = trained_looking("a", "none", 64)
    linear = net.classifier[0]
    assert isinstance(linear, nn.Linear)
    conv = FullyConvolutional(net).classifier[0]
    assert isinstance(conv, nn.Conv2d)
    assert conv.weight.data_ptr() == linear.weight.data_ptr()
