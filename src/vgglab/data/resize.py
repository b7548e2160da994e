"""Isotropic rescaling to a shorter side: S in training, Q in testing (paper, section 3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[np.uint8]
"""An image (H, W, 3)."""


def rescaled_size(height: int, width: int, shorter_side: int) -> tuple[int, int]:
    """Height and width of an image after ``rescaled``, px.

    The longer side is rounded down to whole px, as in torchvision.

    Args:
        height: Of the image, px.
        width: Of the image, px.
        shorter_side: Of the rescaled image, px.
    """
    if min(height, width) == shorter_side:
        return height, width
    longer_side = int(shorter_side * max(height, width) / min(height, width))
    return (shorter_side, longer_side) if height <= width else (longer_side, shorter_side)


def rescaled(images_chw: Tensor, shorter_side: int) -> Tensor:
    """The images (..., C, H, W), uint8, rescaled to a shorter side in px, antialiased."""
    if min(images_chw.shape[-2:]) == shorter_side:
        return images_chw
    from torchvision.transforms.v2 import functional  # takes a second to load

    resized: Tensor = functional.resize(images_chw, [shorter_side], antialias=True)
    return resized


def center_crop(images_chw: Tensor, size: int) -> Tensor:
    """The middle of the images (..., C, H, W), size x size px, as in torchvision.

    Every image must be at least that large.
    """
    top, left = (middle(side, size) for side in images_chw.shape[-2:])
    return images_chw[..., top : top + size, left : left + size]


def middle(side: int, size: int) -> int:
    """First of the middle ``size`` px of ``side`` px."""
    return round((side - size) / 2)


class Window(NamedTuple):
    """A square cut out of an image that has been rescaled, and mirrored or not; px."""

    shorter_side: int
    """Shorter side of the rescaled image."""
    top: int
    left: int
    size: int
    flip: bool = False


def resized_crop(window: Window, pixels_hwc: Pixels) -> Pixels:
    """The crop (size, size, 3) of a rescaled image, of which only the window is computed.

    Pillow's antialiased bilinear filter; at most 2 of 255 away from ``rescaled`` and then cut.
    """
    height, width = pixels_hwc.shape[:2]
    grown = rescaled_size(height, width, window.shorter_side)
    down, right = height / grown[0], width / grown[1]
    above, below = window.top * down, min((window.top + window.size) * down, height)
    # Pillow copies the pixels that it is given: only the rows that the filter reaches.
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
