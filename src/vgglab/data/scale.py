"""Isotropic rescaling to a shorter side: S in training, Q in testing (paper, section 3)."""

from __future__ import annotations

from torch import Tensor
from torchvision.transforms.v2 import functional


def rescaled(images_chw: Tensor, shorter_side: int) -> Tensor:
    """The images (..., C, H, W), uint8, with their shorter side at so many px, antialiased."""
    if min(images_chw.shape[-2:]) == shorter_side:
        return images_chw
    resized: Tensor = functional.resize(images_chw, [shorter_side], antialias=True)
    return resized
