"""The layer table of each net, and the sizes that follow from it. Knows no torch.

A new net is a new row of ``LAYERS``; a new kind of layer is a new field of ``Conv`` or ``Pool``,
read in two places only: ``vgg.py`` (the module) and ``cost.py`` (the arithmetic).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vgglab.config.model import ModelName


@dataclass(frozen=True)
class Conv:
    """A convolution of stride 1 that keeps the map's size, then its ReLU."""

    channels: int
    """Output channels at width 1."""
    kernel: int = 3
    """Side of the square kernel, in pixels; odd."""
    lrn: bool = False
    """Local response normalisation after the ReLU."""

    @property
    def padding(self) -> int:
        """Pixels of zeros on each side; with stride 1 they keep the map's size."""
        return self.kernel // 2


@dataclass(frozen=True)
class Pool:
    """Max-pooling; what does not fill a window is dropped (floor)."""

    kernel: int = 2
    stride: int = 2

    def size(self, size: int) -> int:
        """Side of the map after pooling one of side ``size``, in pixels."""
        return (size - self.kernel) // self.stride + 1


Layer = Conv | Pool

P = Pool()

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
}
# fmt: on

HIDDEN_UNITS = (4096, 4096)
"""Of the first two fully connected layers at width 1; the third has one unit a class."""


def weight_layers(name: ModelName) -> int:
    """Convolutions and fully connected layers together: the paper's depth."""
    return sum(isinstance(layer, Conv) for layer in LAYERS[name]) + len(HIDDEN_UNITS) + 1


def scaled(count: int, width: float) -> int:
    """Channels or units of a layer of ``count`` at ``width``: the nearest integer, a half
    rounded up, never below 1."""
    return max(1, math.floor(count * width + 0.5))


def map_size(name: ModelName, image_size: int) -> int:
    """Side of the last map, in pixels: 7 at 224, 1 from 32 to 63."""
    size = image_size
    for layer in LAYERS[name]:
        size = layer.size(size) if isinstance(layer, Pool) else size
    return size


def check_sizes(*, classes: int, image_size: int, in_channels: int) -> None:
    """Raise ``ValueError`` naming the field, its value and what is allowed."""
    smallest = {"classes": 1, "image_size": 32, "in_channels": 1}  # 32 px: five poolings leave 1
    values = {"classes": classes, "image_size": image_size, "in_channels": in_channels}
    for field, value in values.items():
        if value < smallest[field]:
            raise ValueError(f"{field} = {value}: must be {smallest[field]} or more")
