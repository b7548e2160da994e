"""Depth, places and sizes of a net's layers, which follow from its row of ``NETS``. No torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import assert_never

from vgglab.config.nets import NETS, Conv, Layer, Pool

HIDDEN_UNITS = (4096, 4096)
"""Units of the first two fully connected layers at width 1; the third has one unit a class."""

CONVOLUTIONS_OF_A = ("1_1", "2_1", "3_1", "3_2")
"""Places of the four convolutions that ``pretrained_a`` copies from A."""


def convolutions(name: str) -> list[Conv]:
    """The convolutions of a net, in order."""
    return [layer for layer in NETS[name].layers if isinstance(layer, Conv)]


def weight_layers(name: str) -> int:
    """Convolutions and fully connected layers together: the paper's depth."""
    return len(convolutions(name)) + len(HIDDEN_UNITS) + 1


def places(name: str) -> Iterator[tuple[str, Layer]]:
    """Each layer with its number: ``2_1`` is the first convolution of the second block.

    Where layers are numbered one by one, a pooling has the number of the convolution before it.
    """
    one_by_one = NETS[name].numbering == "one by one"
    block, index, conv = 1, 1, 0
    for layer in NETS[name].layers:
        match layer:
            case Pool():
                yield str(conv if one_by_one else block), layer
                block, index = block + 1, 1
            case Conv():
                conv += 1
                yield str(conv) if one_by_one else f"{block}_{index}", layer
                index += 1
            case other:
                assert_never(other)


def shared_with_a(name: str) -> bool:
    """Whether a net is deeper than A and has the layers of A that pre-training copies.

    The paper (section 3.1) copies "the first four convolutional layers" of A into deeper nets. By
    order they would not fit: A's second has 64 to 128 channels, D's second 64 to 64. By their
    place, first of block 1, first of block 2, first and second of block 3, they do.
    """
    ours, theirs = _with_inputs(name), _with_inputs("a")
    return (
        weight_layers(name) > weight_layers("a")
        and all(ours.get(place) == theirs[place] for place in CONVOLUTIONS_OF_A)
        and convolutions(name)[-1].channels == convolutions("a")[-1].channels
    )


def _with_inputs(name: str) -> dict[str, tuple[int, Conv]]:
    """Each convolution by its place, with its input channels at width 1; 0 of the images."""
    found, inputs = {}, 0
    for place, layer in places(name):
        if isinstance(layer, Conv):
            found[place] = inputs, layer
            inputs = layer.channels
    return found


def scaled(count: int, width: float) -> int:
    """Channels or units of a layer of ``count`` at ``width``: the nearest integer, a half
    rounded up, never below 1."""
    return max(1, math.floor(count * width + 0.5))


def map_size(name: str, image_size: int) -> int:
    """Side of the last map, in pixels: of A to E 7 at 224, 1 from 32 to 63; 0 where none is left.

    A map that has gone stays gone: a padded convolution would make one of nothing but zeros.
    """
    size = image_size
    for layer in NETS[name].layers:
        size = layer.size(size)
        if size < 1:
            return 0
    return size


def smallest_image(name: str) -> int:
    """Side of the smallest image that leaves a map to classify, px: 32 for A to E."""
    return next(size for size in itertools.count(1) if map_size(name, size))


def check_sizes(name: str, *, classes: int, image_size: int, in_channels: int) -> None:
    """Refuse sizes that a net cannot be built for.

    Args:
        name: the net's.
        classes: units of the last layer.
        image_size: side of the square images, in pixels.
        in_channels: of the images.

    Raises:
        ValueError: names the field that is too small, its value and what is allowed.
    """
    smallest = {"classes": 1, "image_size": smallest_image(name), "in_channels": 1}
    values = {"classes": classes, "image_size": image_size, "in_channels": in_channels}
    for field, value in values.items():
        if value < smallest[field]:
            raise ValueError(
                f"{field} = {value}: must be {smallest[field]} or more for model={name}"
            )
