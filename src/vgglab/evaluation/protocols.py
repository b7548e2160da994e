"""How a trained net is asked for its opinion of a test image."""

from __future__ import annotations

from torch import Tensor, nn


def center(net: nn.Module, images_nchw: Tensor) -> Tensor:
    """Log-probabilities (N, K), float32, of one forward at the size that the net was trained at."""
    return nn.functional.log_softmax(net(images_nchw).float(), dim=-1)


PROTOCOLS = {"center": center}
