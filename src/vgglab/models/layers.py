"""The layer table of each net, and the sizes that follow from it. Knows no torch.

A new net is a new row of ``LAYERS``; a new kind of layer is a new field of ``Conv`` or ``Pool``,
read in two places only: ``vgg.py`` (the module) and ``layer_costs.py`` (the arithmetic).
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

from vgglab.config.model import ModelName


@dataclass(frozen=True)
class Conv:
    """A convolution, then its ReLU; unless it says otherwise it keeps the map's size."""

    channels: int
    """Output channels at width 1."""
    kernel: int = 3
    """Side of the square kernel, in pixels; odd."""
    lrn: bool = False
    """Local response normalisation after the ReLU."""
    stride: int = 1
    pad: int | None = None
    """Pixels of zeros on each side; None: as many as keep the map's size at stride 1."""

    @property
    def padding(self) -> int:
        """Pixels of zeros on each side."""
        return self.kernel // 2 if self.pad is None else self.pad

    def size(self, size: int) -> int:
        """Side of the map made of one of side ``size``, in pixels; below 1 where there is none."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Pool:
    """Max-pooling."""

    kernel: int = 2
    stride: int = 2
    ceil: bool = False
    """Whether a window that the map fills only in part counts too (Caffe); else it is dropped."""

    def size(self, size: int) -> int:
        """Side of the map made of one of side ``size``, in pixels; below 1 where there is none."""
        beyond = size - self.kernel
        steps = -(-beyond // self.stride) if self.ceil else beyond // self.stride
        return steps + 1


Layer = Conv | Pool

P = Pool()
P3 = Pool(kernel=3, stride=2, ceil=True)

# Simonyan & Zisserman 2014 (arXiv:1409.1556v6), Table 1: one row is one block.
# fmt: off
LAYERS: dict[ModelName, tuple[Layer, ...]] = {
    "a": (  # 1 + 1 + 2 + 2 + 2 = 8 conv, + 3 fc = 11 weight layers
        Conv(64), P,
        Conv(128), P,
        Conv(256), Conv(256), P,
        Conv(512), Conv(512), P,
        Conv(512), Conv(512), P,
    ),
    "a_lrn": (  # A's 8 conv + 3 fc = 11: LRN has no weights
        Conv(64, lrn=True), P,
        Conv(128), P,
        Conv(256), Conv(256), P,
        Conv(512), Conv(512), P,
        Conv(512), Conv(512), P,
    ),
    "b": (  # 5 x 2 = 10 conv, + 3 fc = 13
        Conv(64), Conv(64), P,
        Conv(128), Conv(128), P,
        Conv(256), Conv(256), P,
        Conv(512), Conv(512), P,
        Conv(512), Conv(512), P,
    ),
    "c": (  # B's 10 + 3 of 1x1 = 13 conv, + 3 fc = 16
        Conv(64), Conv(64), P,
        Conv(128), Conv(128), P,
        Conv(256), Conv(256), Conv(256, kernel=1), P,
        Conv(512), Conv(512), Conv(512, kernel=1), P,
        Conv(512), Conv(512), Conv(512, kernel=1), P,
    ),
    "d": (  # 2 + 2 + 3 + 3 + 3 = 13 conv, + 3 fc = 16
        Conv(64), Conv(64), P,
        Conv(128), Conv(128), P,
        Conv(256), Conv(256), Conv(256), P,
        Conv(512), Conv(512), Conv(512), P,
        Conv(512), Conv(512), Conv(512), P,
    ),
    "e": (  # 2 + 2 + 4 + 4 + 4 = 16 conv, + 3 fc = 19
        Conv(64), Conv(64), P,
        Conv(128), Conv(128), P,
        Conv(256), Conv(256), Conv(256), Conv(256), P,
        Conv(512), Conv(512), Conv(512), Conv(512), P,
        Conv(512), Conv(512), Conv(512), Conv(512), P,
    ),
    "b_5x5": (  # section 4.1: each pair of B's 3x3 is one 5x5: 5 conv, + 3 fc = 8
        Conv(64, kernel=5), P,
        Conv(128, kernel=5), P,
        Conv(256, kernel=5), P,
        Conv(512, kernel=5), P,
        Conv(512, kernel=5), P,
    ),
    # Chatfield et al. 2014 (arXiv:1405.3531), Table 1, with strides, pads and pooling of the
    # released models: 5 conv, + 3 fc = 8 weight layers each.
    "vgg_f": (
        Conv(64, kernel=11, stride=4, pad=0, lrn=True), P3,
        Conv(256, kernel=5, lrn=True), P3,
        Conv(256), Conv(256), Conv(256), P3,
    ),
    "vgg_m": (
        Conv(96, kernel=7, stride=2, pad=0, lrn=True), P3,
        Conv(256, kernel=5, stride=2, pad=1, lrn=True), P3,
        Conv(512), Conv(512), Conv(512), P3,
    ),
    "vgg_s": (  # second convolution: no pad and no LRN in the released model
        Conv(96, kernel=7, stride=2, pad=0, lrn=True), Pool(kernel=3, stride=3, ceil=True),
        Conv(256, kernel=5, pad=0), Pool(ceil=True),
        Conv(512), Conv(512), Conv(512), Pool(kernel=3, stride=3, ceil=True),
    ),
}
# fmt: on

CHATFIELD: frozenset[ModelName] = frozenset({"vgg_f", "vgg_m", "vgg_s"})
"""Nets whose layers are numbered one by one (conv3), not within blocks (conv2_1)."""

HIDDEN_UNITS = (4096, 4096)
"""Of the first two fully connected layers at width 1; the third has one unit a class."""


def weight_layers(name: ModelName) -> int:
    """Convolutions and fully connected layers together: the paper's depth."""
    return sum(isinstance(layer, Conv) for layer in LAYERS[name]) + len(HIDDEN_UNITS) + 1


def scaled(count: int, width: float) -> int:
    """Channels or units of a layer of ``count`` at ``width``: the nearest integer, a half
    rounded up, never below 1."""
    return max(1, math.floor(count * width + 0.5))


def shared_with_a(name: ModelName) -> bool:
    """Whether a deeper net has the four convolutions of A that pre-training copies.

    The paper (section 3.1) copies "the first four convolutional layers" of A into deeper nets. By
    order they would not fit: A's second has 64 to 128 channels, D's second 64 to 64. By their
    place, first of block 1, first of block 2, first and second of block 3, they do.
    """
    return name in ("b", "c", "d", "e")


def map_size(name: ModelName, image_size: int) -> int:
    """Side of the last map, in pixels: of A to E 7 at 224, 1 from 32 to 63; 0 where none is left.

    A map that has gone stays gone: a padded convolution would make one of nothing but zeros.
    """
    size = image_size
    for layer in LAYERS[name]:
        size = layer.size(size)
        if size < 1:
            return 0
    return size


@functools.cache
def smallest_image(name: ModelName) -> int:
    """Side of the smallest image that leaves a map to classify, px: 32 for A to E."""
    return next(size for size in itertools.count(1) if map_size(name, size))


def check_sizes(name: ModelName, *, classes: int, image_size: int, in_channels: int) -> None:
    """Raise ``ValueError`` naming the field, its value and what is allowed."""
    smallest = {"classes": 1, "image_size": smallest_image(name), "in_channels": 1}
    values = {"classes": classes, "image_size": image_size, "in_channels": in_channels}
    for field, value in values.items():
        if value < smallest[field]:
            raise ValueError(
                f"{field} = {value}: must be {smallest[field]} or more for model={name}"
            )
