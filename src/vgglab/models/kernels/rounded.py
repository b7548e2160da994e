"""A trained net for many forward passes in bf16 on a GPU, with weights rounded once."""

from __future__ import annotations

from torch import Tensor, nn
from torch.func import functional_call


class Rounded(nn.Module):
    """A net whose convolutions and linear layers are called with weights in bf16.

    Autocast rounds them so in every forward pass without a gradient, 138 million of D's; under
    autocast the scores are the same, to the bit. Batch norm stays in fp32, as autocast leaves it.
    The net itself keeps its own weights.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._net = net
        self._weights = {
            f"{name}.{kind}": weight.detach().bfloat16()
            for name, layer in net.named_modules()
            if isinstance(layer, nn.Conv2d | nn.Linear)
            for kind, weight in layer.named_parameters(recurse=False)
        }

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Compute scores of images (N, C, H, W), in the shape that the net gives."""
        scores: Tensor = functional_call(self._net, self._weights, (images_nchw,))
        return scores
