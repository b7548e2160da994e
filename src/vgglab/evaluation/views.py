"""Which pixels of a test image the net is shown: the centre, a grid of crops, or all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vgglab.config.protocol import Kind
from vgglab.data.resize import rescaled

GRID = 5
"""Crops along each side (paper, section 3.2, after Szegedy et al. 2014: 50 a scale with flips)."""


def centred(image_chw: Tensor, height: int, width: int) -> Tensor:
    """The middle (C, height, width) of an image; where it is smaller, black borders around it.

    Black, as the border that training's translation moves into the image.
    """
    if image_chw.shape[-2:] == (height, width):
        return image_chw
    from torchvision.transforms.v2 import functional  # a second, which most tests do without

    cropped: Tensor = functional.center_crop(image_chw, [height, width])
    return cropped


def whole(image_chw: Tensor, crop: int, stride: int) -> Tensor:
    """The image as dense evaluation sees it: each side ``crop`` plus a multiple of ``stride``.

    A net whose pooling rounds down looks at that much and leaves out what remains at the right and
    at the bottom; here it is left out at both ends, so that the places of the class-score map are
    crops of the training size in the middle of the image. Of the paper's shorter sides Q, all
    multiples of 32, nothing is left out. A side below ``crop`` would leave no map: it is filled up
    with black, half at each end.
    """
    height, width = (_reached(side, crop, stride) for side in image_chw.shape[-2:])
    return centred(image_chw, height, width)


def _reached(side: int, crop: int, stride: int) -> int:
    return crop + max(0, side - crop) // stride * stride


def grid(image_chw: Tensor, crop: int) -> Iterator[Tensor]:
    """5x5 crops (C, crop, crop) at equal distances, the outer ones at the edges of the image."""
    height, width = image_chw.shape[-2:]
    for top in _places(height - crop):
        for left in _places(width - crop):
            yield image_chw[..., top : top + crop, left : left + crop]


def corners(image_chw: Tensor, crop: int) -> Iterator[Tensor]:
    """The four corners, then the middle (C, crop, crop) of an image (Krizhevsky et al. 2012)."""
    height, width = image_chw.shape[-2:]
    for top in (0, height - crop):
        for left in (0, width - crop):
            yield image_chw[..., top : top + crop, left : left + crop]
    yield centred(image_chw, crop, crop)


def _places(room: int) -> list[int]:
    """First pixels of the crops along a side with so many px to spare."""
    return [round(room * i / (GRID - 1)) for i in range(GRID)]


@dataclass(frozen=True)
class Views:
    """What the net is shown of one image, uint8 (C, H, W), mirror images left out."""

    index: int
    of_kind: Mapping[Kind, tuple[Tensor, ...]]
    """At every scale, in the order of the scales."""

    @property
    def shapes(self) -> tuple[torch.Size, ...]:
        """Images of equal ones go through the net together."""
        return tuple(view.shape for views in self.of_kind.values() for view in views)

    @property
    def pixels(self) -> int:
        """Of the largest."""
        return max(shape[-2] * shape[-1] for shape in self.shapes)


def views_of(
    index: int,
    image_chw: Tensor,
    kinds: Sequence[Kind],
    scales: Sequence[int],
    crop: int,
    stride: int,
) -> Views:
    """The views of one image, of every kind that is asked for."""
    scaled = [rescaled(image_chw, side) for side in scales]

    def of_kind(kind: Kind) -> tuple[Tensor, ...]:
        if kind == "center":
            return tuple(centred(image, crop, crop) for image in scaled)
        if kind == "dense":
            return tuple(whole(image, crop, stride) for image in scaled)
        cut = corners if kind == "corners" else grid
        return tuple(part for image in scaled for part in cut(image, crop))

    return Views(index, {kind: of_kind(kind) for kind in kinds})
