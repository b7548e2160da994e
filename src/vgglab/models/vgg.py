"""One class for every net of the table."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar, assert_never

from torch import Tensor, nn

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.config.nets import NETS, Conv, Pool
from vgglab.models.dropout import KeyedDropout
from vgglab.models.kernels.max_pool import is_halving_pool, max_pool_relu
from vgglab.models.layers import HIDDEN_UNITS, check_sizes, convolutions, map_size, scaled
from vgglab.models.lrn import LocalResponseNorm


class Features(nn.Sequential):
    """The convolutions with all that stands between them, at torchvision's indices.

    Where a max-pooling follows a ReLU, it goes first: the largest value of a window is the same
    before and after, and ReLU then has a quarter of the values to do. The bits are the same,
    forward and backward; ``pool_first = False`` keeps to the order of the indices.
    """

    pool_first = True
    pools_in_cpp = False
    """Compute each max-pooling of 2x2 and the ReLU after it by ``max_pool_relu`` instead of calling
    their modules; the same values. Set only where ``max_pool.cpp`` has been built."""

    def forward(self, input: Tensor) -> Tensor:
        """Compute the last maps of images, both (N, C, H, W)."""
        modules = deque(pools_before_relus(list(self)) if self.pool_first else self)
        while modules:
            module = modules.popleft()
            if self.pools_in_cpp and is_halving_pool(module):
                has_relu = bool(modules) and isinstance(modules[0], nn.ReLU)
                if has_relu:
                    modules.popleft()
                input = max_pool_relu(input, relu=has_relu)
            else:
                input = module(input)
        return input


Part = TypeVar("Part")


def pools_before_relus(modules: Sequence[Part]) -> list[Part]:
    """The modules with each max-pooling that follows a ReLU moved before it."""
    ordered = list(modules)
    for index, (module, after) in enumerate(itertools.pairwise(modules)):
        if isinstance(module, nn.ReLU) and isinstance(after, nn.MaxPool2d):
            ordered[index : index + 2] = after, module
    return ordered


class VGG(nn.Module):
    """A net of Simonyan & Zisserman 2014, Table 1, or of Chatfield et al. 2014: convolutions, then
    three fully connected.

    ``features`` and ``classifier`` are indexed as torchvision's, so that A, B, D and E at
    width 1, 224 px and 1,000 classes load its vgg11, 13, 16 and 19 (_bn) state dicts unchanged.
    There is no adaptive pooling: the first fully connected layer fits the last map of
    ``image_size`` exactly (7x7 at 224 px, 1x1 at 32 px), so that dense evaluation can turn it
    into a convolution.

    Args:
        model: row of the table of nets, width, dropout, LRN.
        norm: batch norm between a convolution and its ReLU, or none. The convolution keeps its
            bias either way, as torchvision's does.
        classes: units of the last layer.
        image_size: side of the square images, in pixels; ``smallest_image`` or more.
        in_channels: of the images.

    Raises:
        ValueError: a size out of range, with its field and what is allowed.
    """

    compiled: Callable[[Tensor], Tensor] | None = None
    """``eager`` by torch.compile; used in training alone, whose batches are of one shape."""

    def __init__(
        self,
        model: ModelConfig,
        norm: NormConfig,
        *,
        classes: int,
        image_size: int,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        check_sizes(model.name, classes=classes, image_size=image_size, in_channels=in_channels)
        self.image_size = image_size
        self.map_size = map_size(model.name, image_size)
        self.features = _features(model, norm, in_channels)
        self.classifier = _classifier(model, self.map_size, classes)

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Compute logits (N, classes) of images (N, in_channels, image_size, image_size).

        Raises:
            ValueError: images whose last map does not fit the first fully connected layer.
        """
        if self.compiled is not None and self.training:
            return self.compiled(images_nchw)
        return self.eager(images_nchw)

    def eager(self, images_nchw: Tensor) -> Tensor:
        """Compute the logits module by module."""
        maps_nchw: Tensor = self.features(images_nchw)
        if maps_nchw.shape[2:] != (self.map_size, self.map_size):
            raise ValueError(
                f"image_size = {tuple(images_nchw.shape[2:])}: must be {self.image_size}, "
                "which this net's fully connected layers were built for"
            )
        logits_nk: Tensor = self.classifier(maps_nchw.flatten(1))
        return logits_nk


def _features(model: ModelConfig, norm: NormConfig, in_channels: int) -> Features:
    modules: list[nn.Module] = []
    for layer in NETS[model.name].layers:
        match layer:
            case Conv():
                channels = scaled(layer.channels, model.width)
                modules += _convolution(layer, model, norm, in_channels, channels)
                in_channels = channels
            case Pool():
                modules.append(nn.MaxPool2d(layer.kernel, layer.stride, ceil_mode=layer.ceil))
            case other:
                assert_never(other)
    return Features(*modules)


def _convolution(
    conv: Conv, model: ModelConfig, norm: NormConfig, in_channels: int, channels: int
) -> list[nn.Module]:
    modules: list[nn.Module] = [
        nn.Conv2d(in_channels, channels, conv.kernel, conv.stride, conv.padding)
    ]
    match norm.name:
        case "none":
            pass
        case "batch":
            modules.append(nn.BatchNorm2d(channels))
        case other:
            assert_never(other)
    modules.append(nn.ReLU(inplace=True))
    if conv.lrn:  # after the ReLU, as Krizhevsky et al. 2012, section 3.3
        modules.append(LocalResponseNorm(model.lrn))
    return modules


def _classifier(model: ModelConfig, last_map: int, classes: int) -> nn.Sequential:
    inputs = scaled(convolutions(model.name)[-1].channels, model.width) * last_map**2
    modules: list[nn.Module] = []
    for number, hidden in enumerate(HIDDEN_UNITS):
        units = scaled(hidden, model.width)
        dropout = KeyedDropout(model.dropout, number)
        modules += [nn.Linear(inputs, units), nn.ReLU(inplace=True), dropout]
        inputs = units
    return nn.Sequential(*modules, nn.Linear(inputs, classes))


def parameters_by_block(net: VGG) -> dict[str, list[nn.Parameter]]:
    """Group a net's parameters: ``block1`` to ``block5``, the convolutions between two poolings
    with their norms, then ``fc1`` to ``fc3``."""
    blocks: dict[str, list[nn.Parameter]] = {}
    block = 1
    for module in net.features:
        if isinstance(module, nn.MaxPool2d):
            block += 1
        elif found := list(module.parameters()):
            blocks.setdefault(f"block{block}", []).extend(found)
    layers = [module for module in net.classifier if isinstance(module, nn.Linear)]
    return blocks | {f"fc{i}": list(layer.parameters()) for i, layer in enumerate(layers, start=1)}
