"""The table of nets: a row holds what every room needs to know about one. Knows no torch.

A new net is a new row of ``NETS`` and its ``conf/model/<name>.yaml``. A new kind of layer is a new
member of ``Layer``; mypy then names the two places that have to handle it: ``models/vgg.py`` (the
module) and ``models/layer_costs.py`` (the arithmetic).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Conv:
    """A convolution, then its ReLU; by default it keeps the map's size."""

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


@dataclass(frozen=True, kw_only=True)
class Net:
    """One net: its layers up to the fully connected ones, and how it is named and shown."""

    label: str
    """The net's name as its paper writes it."""
    layers: tuple[Layer, ...]
    numbering: Literal["blocks", "one by one"] = "blocks"
    """How layers are numbered: within blocks (conv2_1), or through the net (conv3)."""
    depth_series: Literal["line", "beside", "none"] = "none"
    """Place in the figure of error against depth: on the line, beside it, or not shown."""
    differs: str = ""
    """Why a net stands beside the line, as a clause about it."""
    torchvision: str = ""
    """Name of torchvision's net with the same layers, without ``_bn``; empty: it has none."""

    @property
    def weight_layers(self) -> int:
        """Convolutions and the three fully connected layers after them."""
        return sum(isinstance(layer, Conv) for layer in self.layers) + 3


_P = Pool()
_P3 = Pool(kernel=3, stride=2, ceil=True)

# Simonyan & Zisserman 2014 (arXiv:1409.1556v6), Table 1: one row is one block.
# fmt: off
NETS: dict[str, Net] = {
    "a": Net(  # 1 + 1 + 2 + 2 + 2 = 8 conv, + 3 fc = 11 weight layers
        label="A", depth_series="line", torchvision="vgg11",
        layers=(
            Conv(64), _P,
            Conv(128), _P,
            Conv(256), Conv(256), _P,
            Conv(512), Conv(512), _P,
            Conv(512), Conv(512), _P,
        ),
    ),
    "a_lrn": Net(  # A's 8 conv + 3 fc = 11: LRN has no weights
        label="A-LRN",
        layers=(
            Conv(64, lrn=True), _P,
            Conv(128), _P,
            Conv(256), Conv(256), _P,
            Conv(512), Conv(512), _P,
            Conv(512), Conv(512), _P,
        ),
    ),
    "b": Net(  # 5 x 2 = 10 conv, + 3 fc = 13
        label="B", depth_series="line", torchvision="vgg13",
        layers=(
            Conv(64), Conv(64), _P,
            Conv(128), Conv(128), _P,
            Conv(256), Conv(256), _P,
            Conv(512), Conv(512), _P,
            Conv(512), Conv(512), _P,
        ),
    ),
    "c": Net(  # B's 10 + 3 of 1x1 = 13 conv, + 3 fc = 16
        label="C", depth_series="beside", differs="whose extra layers are 1x1",
        layers=(
            Conv(64), Conv(64), _P,
            Conv(128), Conv(128), _P,
            Conv(256), Conv(256), Conv(256, kernel=1), _P,
            Conv(512), Conv(512), Conv(512, kernel=1), _P,
            Conv(512), Conv(512), Conv(512, kernel=1), _P,
        ),
    ),
    "d": Net(  # 2 + 2 + 3 + 3 + 3 = 13 conv, + 3 fc = 16
        label="D", depth_series="line", torchvision="vgg16",
        layers=(
            Conv(64), Conv(64), _P,
            Conv(128), Conv(128), _P,
            Conv(256), Conv(256), Conv(256), _P,
            Conv(512), Conv(512), Conv(512), _P,
            Conv(512), Conv(512), Conv(512), _P,
        ),
    ),
    "e": Net(  # 2 + 2 + 4 + 4 + 4 = 16 conv, + 3 fc = 19
        label="E", depth_series="line", torchvision="vgg19",
        layers=(
            Conv(64), Conv(64), _P,
            Conv(128), Conv(128), _P,
            Conv(256), Conv(256), Conv(256), Conv(256), _P,
            Conv(512), Conv(512), Conv(512), Conv(512), _P,
            Conv(512), Conv(512), Conv(512), Conv(512), _P,
        ),
    ),
    "b_5x5": Net(  # section 4.1: each pair of B's 3x3 is one 5x5: 5 conv, + 3 fc = 8
        label="B-5x5",
        layers=(
            Conv(64, kernel=5), _P,
            Conv(128, kernel=5), _P,
            Conv(256, kernel=5), _P,
            Conv(512, kernel=5), _P,
            Conv(512, kernel=5), _P,
        ),
    ),
    # Chatfield et al. 2014 (arXiv:1405.3531), Table 1, with strides, pads and pooling of the
    # released models: 5 conv, + 3 fc = 8 weight layers each.
    "vgg_f": Net(
        label="VGG-F", numbering="one by one",
        layers=(
            Conv(64, kernel=11, stride=4, pad=0, lrn=True), _P3,
            Conv(256, kernel=5, lrn=True), _P3,
            Conv(256), Conv(256), Conv(256), _P3,
        ),
    ),
    "vgg_m": Net(
        label="VGG-M", numbering="one by one",
        layers=(
            Conv(96, kernel=7, stride=2, pad=0, lrn=True), _P3,
            Conv(256, kernel=5, stride=2, pad=1, lrn=True), _P3,
            Conv(512), Conv(512), Conv(512), _P3,
        ),
    ),
    "vgg_s": Net(  # second convolution: no pad and no LRN in the released model
        label="VGG-S", numbering="one by one",
        layers=(
            Conv(96, kernel=7, stride=2, pad=0, lrn=True), Pool(kernel=3, stride=3, ceil=True),
            Conv(256, kernel=5, pad=0), Pool(ceil=True),
            Conv(512), Conv(512), Conv(512), Pool(kernel=3, stride=3, ceil=True),
        ),
    ),
}
# fmt: on
