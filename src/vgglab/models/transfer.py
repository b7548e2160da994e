"""Copy weights from a trained net: all of them, or those that the paper copied from A."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.config.nets import Conv
from vgglab.models.layers import CONVOLUTIONS_OF_A
from vgglab.models.vgg import VGG


def copy_all(net: VGG, state: Mapping[str, Tensor]) -> None:
    """Give a net every weight and running moment of a net with the same layers."""
    net.load_state_dict(dict(state), strict=True)


def copy_from_a(
    net: VGG, model: ModelConfig, norm: NormConfig, state: Mapping[str, Tensor]
) -> None:
    """Give a deeper net the layers of A that the paper copied; the others stay as they are.

    These are A's first four convolutions and all of its fully connected layers. They are matched by
    place, the first of block 2 to the first of block 2; matched by order, their shapes would
    differ. A norm is copied with the convolution before it (section 3.1).

    Args:
        net: a net for which ``shared_with_a`` holds; changed in place.
        model: the config of ``net``.
        norm: normalisation of both nets.
        state: state dict of A with the same width, last map and classes.
    """
    a_table = ModelConfig(name="a").blocks
    model_a = replace(model, name="a", blocks=a_table, layers=0)
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
    fully_connected = [layer for layer in theirs if layer.startswith("fc")]
    for layer in (*(f"conv{place}" for place in CONVOLUTIONS_OF_A), *fully_connected):
        for source, target in zip(theirs[layer], ours[layer], strict=True):
            for key, value in state.items():
                if key.startswith(f"{source}."):
                    merged[target + key.removeprefix(source)] = value
    net.load_state_dict(merged, strict=True)


def modules_by_layer(net: VGG, model: ModelConfig) -> dict[str, list[str]]:
    """Map each layer to the modules with its weights: a convolution and its norm, or a Linear."""
    found: dict[str, list[str]] = {}
    convolutions = [place for place, layer in model.net.places() if isinstance(layer, Conv)]
    current: list[str] = []
    for index, module in enumerate(net.features):
        if isinstance(module, nn.Conv2d):
            current = found.setdefault(f"conv{convolutions[len(found)]}", [])
        if next(module.parameters(), None) is not None:
            current.append(f"features.{index}")
    number = model.net.first_fc
    for index, module in enumerate(net.classifier):
        if isinstance(module, nn.Linear):
            found[f"fc{number}"] = [f"classifier.{index}"]
            number += 1
    return found
