"""A net as convolutions alone, for images of any size (paper, section 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vgglab.models.vgg import VGG


class FullyConvolutional(nn.Module):
    """A net with its fully connected layers as convolutions: the first over the map of a training
    crop (7x7 at 224 px), the others 1x1.

    Shares the parameters of ``net`` and stays in evaluation mode; dropout is left out.
    """

    def __init__(self, net: VGG) -> None:
        super().__init__()
        self.features = net.features
        self.classifier = _convolutions(net)
        self.eval()

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Compute class scores (N, classes, h, w) of images (N, C, H, W).

        There is one for every crop of the training size that the total stride reaches; h = w = 1
        for images of the training size itself.
        """
        scores_nkhw: Tensor = self.classifier(self.features(images_nchw))
        return scores_nkhw


def _convolutions(net: VGG) -> nn.Sequential:
    layers: list[nn.Module] = []
    side = net.map_size
    for module in net.classifier:
        match module:
            case nn.Linear():
                layers.append(_as_convolution(module, side))
                side = 1
            case nn.ReLU() | nn.GELU() | nn.SiLU():
                layers.append(module)
            case nn.Dropout():  # does nothing in evaluation mode
                pass
            case _:
                raise TypeError(f"{type(module).__name__}: unknown as a convolution")
    return nn.Sequential(*layers)


def _as_convolution(linear: nn.Linear, side: int) -> nn.Conv2d:
    """Turn a layer over a flattened map (C, side, side) into a convolution of the same weights."""
    with torch.device("meta"):
        conv = nn.Conv2d(linear.in_features // side**2, linear.out_features, side)
    weight = linear.weight.detach().view(linear.out_features, -1, side, side)
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = nn.Parameter(linear.bias.detach(), requires_grad=False)
    return conv


def total_stride(net: VGG) -> int:
    """Pixels of the image between neighbours of the last map; 32 for the paper's nets."""
    steps = [
        m.stride for m in net.features if isinstance(m, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
    ]
    return math.prod(step if isinstance(step, int) else step[0] for step in steps)
