"""Isotropic rescaling to a shorter side: S in training, Q in testing (paper, section 3)."""

from __future__ import annotations

from torch import Tensor
from torchvision.transforms.v2 import functional


def rescaled_size(height: int, width: int, shorter_side: int) -> tuple[int, int]:
    """Height and width, px, of what ``rescaled`` makes of an image; the longer side is cut down to
    whole px, as torchvision does."""
    if min(height, width) == shorter_side:
        return height, width
    longer_side = int(shorter_side * max(height, width) / min(height, width))
    return (shorter_side, longer_side) if height <= width else (longer_side, shorter_side)


def rescaled(images_chw: Tensor, shorter_side: int) -> Tensor:
    """The images (..., C, H, W), uint8, with their shorter side at so many px, antialiased."""
    if min(images_chw.shape[-2:]) == shorter_side:
        return images_chw
    resized: Tensor = functional.resize(images_chw, [shorter_side], antialias=True)
    return resized


def center_crop(images_chw: Tensor, size: int) -> Tensor:
    """The middle of the images (..., C, H, W), size x size px, as torchvision takes it.

    Every image must be at least so large.
    """
    top, left = (round((side - size) / 2) for side in images_chw.shape[-2:])
    return images_chw[..., top : top + size, left : left + size]
