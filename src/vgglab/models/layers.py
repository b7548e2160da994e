"""Places and sizes of a net's layers, which follow from its config. No torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from vgglab.config.model import ModelConfig
from vgglab.config.nets import Conv, Layer

CONVOLUTIONS_OF_A = ("1_1", "2_1", "3_1", "3_2")
"""Places of the four convolutions that ``pretrained_a`` copies from A."""
LARGEST_IMAGE = 1024
"""Side of the largest image that a data set may have, px."""


def shared_with_a(model: ModelConfig) -> bool:
    """Whether a net is deeper than A and has the layers of A that pre-training copies.

    The paper (section 3.1) copies "the first four convolutional layers" of A into deeper nets. By
    order they would not fit: A's second has 64 to 128 channels, D's second 64 to 64. By their
    place, first of block 1, first of block 2, first and second of block 3, they do.
    """
    a = ModelConfig(name="a", hidden=model.hidden, pooling=model.pooling)
    ours, theirs = _with_inputs(model), _with_inputs(a)
    return (
        model.net.weight_layers > a.net.weight_layers
        and all(ours.get(place) == theirs[place] for place in CONVOLUTIONS_OF_A)
        and model.net.convolutions[-1].channels == a.net.convolutions[-1].channels
    )


def _with_inputs(model: ModelConfig) -> dict[str, tuple[int, Layer]]:
    """Each convolution by its place, with its input channels at width 1; 0 of the images."""
    found: dict[str, tuple[int, Layer]] = {}
    inputs = 0
    for place, layer in model.net.places():
        if isinstance(layer, Conv):
            found[place] = inputs, layer
            inputs = layer.channels
    return found


def residual_units(model: ModelConfig, in_channels: int) -> Iterator[tuple[int, int]]:
    """The stretches of convolutions with a shortcut around them, by ``model.skip``.

    Within a block, each two convolutions in a row that keep the shape of their maps are one, and
    one that is left over is one by itself.

    Args:
        model: the net.
        in_channels: of the images.

    Yields:
        The numbers of the first and the last convolution of each, counted from 0.
    """
    if model.skip == "none":
        return
    number, inputs = 0, in_channels
    for block in model.net.blocks:
        first: int | None = None
        for layer in block:
            if not isinstance(layer, Conv):
                continue
            channels = scaled(layer.channels, model.width)
            if layer.keeps_size and channels == inputs and number:  # not around the first of all
                if first is not None:
                    yield first, number
                    first = None
                else:
                    first = number
            elif first is not None:
                yield first, first
                first = None
            number, inputs = number + 1, channels
        if first is not None:
            yield first, first


def scaled(count: int, width: float) -> int:
    """Channels or units of a layer of ``count`` at ``width``: the nearest integer, a half
    rounded up, never below 1."""
    return max(1, math.floor(count * width + 0.5))


def map_size(model: ModelConfig, image_size: int) -> int:
    """Side of the last map, in pixels: of A to E 7 at 224, 1 from 32 to 63; 0 where none is left.

    A map that has gone stays gone: a padded convolution would make one of nothing but zeros.
    """
    size = image_size
    for layer in model.net.layers:
        size = layer.size(size)
        if size < 1:
            return 0
    return size


def smallest_image(model: ModelConfig) -> int:
    """Side of the smallest image that leaves a map to classify, px: 32 for A to E.

    Raises:
        ValueError: no image of ``LARGEST_IMAGE`` or less does.
    """
    for size in itertools.count(1):
        if map_size(model, size):
            return size
        if size > LARGEST_IMAGE:
            raise ValueError(
                f"image_size: model={model.name} leaves no map of an image of {LARGEST_IMAGE} px; "
                "it must have fewer poolings and strides"
            )
    raise AssertionError


def check_sizes(model: ModelConfig, *, classes: int, image_size: int, in_channels: int) -> None:
    """Refuse sizes that a net cannot be built for.

    Args:
        model: the net.
        classes: units of the last layer.
        image_size: side of the square images, in pixels.
        in_channels: of the images.

    Raises:
        ValueError: names the field that is too small, its value and what is allowed.
    """
    smallest = {"classes": 1, "image_size": smallest_image(model), "in_channels": 1}
    values = {"classes": classes, "image_size": image_size, "in_channels": in_channels}
    for field, value in values.items():
        if value < smallest[field]:
            raise ValueError(
                f"{field} = {value}: must be {smallest[field]} or more for model={model.name}"
            )
