"""A trained net for many forward passes in bf16 on a CPU, with weights laid out once.

Autocast rounds every weight to bf16 again in every forward pass, and oneDNN lays it out anew for
its kernels. Without a gradient neither is needed, and the scores are the same, to the bit.
torch.compile with freezing does the same, but compiles for a minute, and again for another shape.

torch has no public way to lay out weights for oneDNN once, so that this file, and no other, calls
private operators of ``torch.ops.mkldnn``. ``tests/models/kernels/test_private_torch.py`` fails on a
release of torch that changes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from vgglab.models.fully_convolutional import FullyConvolutional
from vgglab.models.lrn import LocalResponseNorm
from vgglab.models.vgg import VGG, Shortcut, Step, pools_before_relus

Layer = Callable[[Tensor], Tensor]


class Packed(nn.Module):
    """Gives the scores that a net gives under bf16 autocast, from a copy of its weights.

    Args:
        net: in evaluation mode, on a CPU.
    """

    def __init__(self, net: VGG | FullyConvolutional) -> None:
        super().__init__()
        self._features = _layers(net.features.steps)
        self._classifier = _layers(net.classifier)
        self._flattens = isinstance(net, VGG)

    @torch.inference_mode()
    def forward(self, images_nchw: Tensor) -> Tensor:
        """Compute scores of images (N, C, H, W) in bf16, in the shape that the net gives."""
        values = images_nchw.bfloat16()
        kept = values
        for layer in self._features:
            if layer is Shortcut.LEAVES:
                kept = values
            elif layer is Shortcut.IS_ADDED:
                values = values + kept
            else:
                values = layer(values)
        if self._flattens:
            values = values.flatten(1)
        for layer in self._classifier:
            values = layer(values)
        return values


def check(device: str) -> None:
    """Lay a few weights out.

    Raises:
        RuntimeError: oneDNN computes in bf16 only on processors with AVX-512 or better.
    """
    with torch.inference_mode():
        convolution, linear = nn.Conv2d(16, 16, 3, padding=1), nn.Linear(16, 16)
        _convolution(convolution.to(device), "relu")(torch.ones(1, 16, 4, 4).bfloat16())
        _linear(linear.to(device), "relu")(torch.ones(1, 16).bfloat16())


def _layers(steps: Iterable[Step]) -> list[Any]:
    """Pack weights; a ReLU is computed by the kernel of the convolution or Linear before it."""
    kept = [step for step in steps if not isinstance(step, nn.Dropout)]
    layers: list[Layer | Step] = []
    for before, step, after in zip([None, *kept], kept, [*kept[1:], None], strict=False):
        activation = "relu" if isinstance(after, nn.ReLU) else "none"
        match step:
            case nn.Conv2d():
                layers.append(_convolution(step, activation))
            case nn.Linear():
                layers.append(_linear(step, activation))
            case nn.ReLU() if isinstance(before, nn.Conv2d | nn.Linear):
                pass
            case Shortcut() | nn.ReLU() | nn.GELU() | nn.SiLU() | nn.MaxPool2d() | nn.AvgPool2d():
                layers.append(step)
            case nn.BatchNorm2d() | LocalResponseNorm():
                layers.append(step)
            case nn.GroupNorm():
                layers.append(_group_norm(step))
            case _:
                raise TypeError(f"{type(step).__name__}: unknown how autocast computes it")
    return pools_before_relus(layers)


def _group_norm(module: nn.GroupNorm) -> Layer:
    def run(images_nchw: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):  # computes it in fp32
            return module(images_nchw)  # type: ignore[no-any-return]

    return run


def _convolution(module: nn.Conv2d, activation: str) -> Layer:
    assert module.bias is not None
    padding, stride, dilation = (
        [int(side) for side in both] for both in (module.padding, module.stride, module.dilation)
    )
    low = module.weight.detach().bfloat16().contiguous(memory_format=torch.channels_last)
    weight = torch.ops.mkldnn._reorder_convolution_weight(low, padding, stride, dilation, 1)
    bias = module.bias.detach().bfloat16()

    def run(images_nchw: Tensor) -> Tensor:
        output: Tensor = torch.ops.mkldnn._convolution_pointwise(
            images_nchw, weight, bias, padding, stride, dilation, 1, activation, [], ""
        )
        return output

    return run


def _linear(module: nn.Linear, activation: str) -> Layer:
    weight = torch.ops.mkldnn._reorder_linear_weight(module.weight.detach().bfloat16())
    bias = module.bias.detach().bfloat16()

    def run(values_nk: Tensor) -> Tensor:
        output: Tensor = torch.ops.mkldnn._linear_pointwise(
            values_nk, weight, bias, activation, [], ""
        )
        return output

    return run
