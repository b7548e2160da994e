"""Isotropic rescaling to a shorter side: S in training, Q in testing (paper, section 3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Pixels = NDArray[np.uint8]
"""An image (H, W, 3)."""


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
    from torchvision.transforms.v2 import functional  # a second, which images in memory do without

    resized: Tensor = functional.resize(images_chw, [shorter_side], antialias=True)
    return resized


def center_crop(images_chw: Tensor, size: int) -> Tensor:
    """The middle of the images (..., C, H, W), size x size px, as torchvision takes it.

    Every image must be at least so large.
    """
    top, left = (middle(side, size) for side in images_chw.shape[-2:])
    return images_chw[..., top : top + size, left : left + size]


def middle(side: int, size: int) -> int:
    """First px of the middle ``size`` of ``side`` px."""
    return round((side - size) / 2)


class Window(NamedTuple):
    """A square cut out of an image that has been rescaled, and mirrored or not; px."""

    shorter_side: int
    """Of the rescaled image."""
    top: int
    left: int
    size: int
    flip: bool = False


def seen_through(window: Window, pixels_hwc: Pixels) -> Pixels:
    """What a window (size, size, 3) shows of an image (H, W, 3), of which no more is rescaled.

    Pillow's antialiased bilinear filter; at most 2 of 255 away from ``rescaled`` and then cut.
    """
    height, width = pixels_hwc.shape[:2]
    grown = rescaled_size(height, width, window.shorter_side)
    down, right = height / grown[0], width / grown[1]
    above, below = window.top * down, min((window.top + window.size) * down, height)
    # Pillow's own pixels take a copy: only of the rows that the filter reaches.
    reach = math.ceil(max(down, 1.0)) + 1
    first, last = max(0, math.floor(above) - reach), min(height, math.ceil(below) + reach)
    box = (
        window.left * right,
        above - first,
        min((window.left + window.size) * right, width),
        below - first,
    )
    seen = Image.fromarray(pixels_hwc[first:last]).resize(
        (window.size, window.size), Image.Resampling.BILINEAR, box
    )
    if window.flip:
        seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(seen)
