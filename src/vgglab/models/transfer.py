"""First weights from a trained net: all of them, or those that the paper copied from A."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.config.nets import Conv
from vgglab.models.layer_costs import FIRST_FC
from vgglab.models.layers import CONVOLUTIONS_OF_A, places
from vgglab.models.vgg import VGG

COPIED_FROM_A = (*(f"conv{place}" for place in CONVOLUTIONS_OF_A), "fc6", "fc7", "fc8")
"""A's first four convolutions and its three fully connected layers (section 3.1)."""


def copy_all(net: VGG, state: Mapping[str, Tensor]) -> None:
    """Give a net every weight and running moment of one that is built like it."""
    net.load_state_dict(dict(state), strict=True)


def copy_from_a(
    net: VGG, model: ModelConfig, norm: NormConfig, state: Mapping[str, Tensor]
) -> None:
    """Give a deeper net the layers of A that the paper copied; the others stay as they are.

    A layer goes to the layer of its place, first of block 2 to first of block 2: by order,
    shapes would not fit. Batch norm belongs to the convolution before it.

    Args:
        net: B, C, D or E.
        model: of ``net``.
        norm: of both.
        state: state dict of A at the same width, last map and classes.
    """
    model_a = ModelConfig(name="a", width=model.width, dropout=model.dropout)
    last = [module for module in net.classifier if isinstance(module, nn.Linear)][-1]
    first = next(module for module in net.features if isinstance(module, nn.Conv2d))
    with torch.device("meta"):
        a = VGG(
            model_a,
            norm,
            classes=last.out_features,
            image_size=net.image_size,
            in_channels=first.in_channels,
        )
    theirs, ours = modules_by_layer(a, model_a), modules_by_layer(net, model)
    merged = net.state_dict()
    for layer in COPIED_FROM_A:
        for source, target in zip(theirs[layer], ours[layer], strict=True):
            for key, value in state.items():
                if key.startswith(f"{source}."):
                    merged[target + key.removeprefix(source)] = value
    net.load_state_dict(merged, strict=True)


def modules_by_layer(net: VGG, model: ModelConfig) -> dict[str, list[str]]:
    """Layer -> names of the modules with its weights: a convolution and its norm, or one Linear."""
    found: dict[str, list[str]] = {}
    convolutions = [place for place, layer in places(model.name) if isinstance(layer, Conv)]
    current: list[str] = []
    for index, module in enumerate(net.features):
        if isinstance(module, nn.Conv2d):
            current = found.setdefault(f"conv{convolutions[len(found)]}", [])
        if next(module.parameters(), None) is not None:
            current.append(f"features.{index}")
    number = FIRST_FC
    for index, module in enumerate(net.classifier):
        if isinstance(module, nn.Linear):
            found[f"fc{number}"] = [f"classifier.{index}"]
            number += 1
    return found
