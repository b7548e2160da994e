"""The parameters of a net, block by block."""

from __future__ import annotations

from torch import nn

from vgglab.models.vgg import VGG


def parameters_by_block(net: VGG) -> dict[str, list[nn.Parameter]]:
    """``block1`` to ``block5``, the convolutions between two poolings, then ``fc1`` to ``fc3``."""
    blocks: dict[str, list[nn.Parameter]] = {}
    block = 1
    for module in net.features:
        if isinstance(module, nn.MaxPool2d):
            block += 1
        elif found := list(module.parameters()):
            blocks.setdefault(f"block{block}", []).extend(found)
    layers = [module for module in net.classifier if isinstance(module, nn.Linear)]
    return blocks | {f"fc{i}": list(layer.parameters()) for i, layer in enumerate(layers, start=1)}
