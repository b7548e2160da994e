"""Which pixels of a test image the net is shown: the centre, a grid of crops, or all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

    Args:
        image_chw: an image (C, H, W).
        height: of the result, px.
        width: of the result, px.
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

    Args:
        image_chw: an image (C, H, W).
        crop: side of the square that the net was trained on, px.
        stride: total stride of the net's convolutional part, px.
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
    """Views by kind: those of every scale, in the order of the scales."""

    @property
    def shapes(self) -> tuple[torch.Size, ...]:
        """Shape of each view; images of equal shapes go through the net together."""
        return tuple(view.shape for views in self.of_kind.values() for view in views)

    @property
    def pixels(self) -> int:
        """Pixels of the largest view."""
        return max(shape[-2] * shape[-1] for shape in self.shapes)

    @property
    def all_pixels(self) -> int:
        """Pixels of all views together."""
        return sum(shape[-2] * shape[-1] for shape in self.shapes)


VIEWS: dict[Kind, Callable[[Tensor, int, int], Iterable[Tensor]]] = {
    "center": lambda image_chw, crop, stride: [centred(image_chw, crop, crop)],
    "dense": lambda image_chw, crop, stride: [whole(image_chw, crop, stride)],
    "crops": lambda image_chw, crop, stride: grid(image_chw, crop),
    "corners": lambda image_chw, crop, stride: corners(image_chw, crop),
}
"""From an image at one scale, the side of a crop and the net's total stride, px, to the views, of
which there are ``KINDS[kind].views``."""


def views_of(
    index: int,
    image_chw: Tensor,
    kinds: Sequence[Kind],
    scales: Sequence[int],
    crop: int,
    stride: int,
) -> Views:
    """The views of one image, of every kind and at every scale.

    Args:
        index: the image's index in its split.
        image_chw: the image (C, H, W), uint8.
        kinds: the kinds of view to make.
        scales: test scales Q: shorter sides that the image is rescaled to, px.
        crop: side of the square that the net was trained on, px.
        stride: total stride of the net's convolutional part, px.
    """
    scaled = [rescaled(image_chw, side) for side in scales]
    return Views(
        index,
        {
            kind: tuple(view for image in scaled for view in VIEWS[kind](image, crop, stride))
            for kind in kinds
        },
    )
