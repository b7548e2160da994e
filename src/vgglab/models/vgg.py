"""One class for every net."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TypeAlias, TypeVar, assert_never

from torch import Tensor, nn

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.config.nets import Conv, Pool
from vgglab.models.batch_norm import BatchNorm2d
from vgglab.models.convolution import Conv2d
from vgglab.models.dropout import KeyedDropout
from vgglab.models.kernels.max_pool import is_halving_pool, max_pool_relu
from vgglab.models.layers import check_sizes, map_size, residual_units, scaled
from vgglab.models.linear import Linear, exchanges_factors
from vgglab.models.lrn import LocalResponseNorm


class Shortcut(Enum):
    """Marks among the modules of a net where a shortcut leaves them and where it is added."""

    LEAVES = "leaves"
    IS_ADDED = "is added"


Step: TypeAlias = nn.Module | Shortcut


class Features(nn.Sequential):
    """The convolutions with all that stands between them, at torchvision's indices.

    Where a max-pooling follows a ReLU, it goes first: the largest value of a window is the same
    before and after, and ReLU then has a quarter of the values to do. The bits are the same,
    forward and backward; ``pool_first = False`` keeps to the order of the indices.

    Args:
        modules: in the order of their indices.
        shortcuts: index of the module before which a shortcut leaves -> of the activation before
            which it is added.
    """

    pool_first = True
    pools_in_cpp = False
    """Compute each max-pooling of 2x2 and the ReLU after it by ``max_pool_relu`` instead of calling
    their modules; the same values. Set only where ``max_pool.cpp`` has been built."""

    def __init__(self, *modules: nn.Module, shortcuts: Mapping[int, int] | None = None) -> None:
        super().__init__(*modules)
        self.shortcuts = dict(shortcuts or {})

    @property
    def steps(self) -> list[Step]:
        """The modules in the order of their indices, with the shortcuts around them."""
        ends = set(self.shortcuts.values())
        steps: list[Step] = []
        for index, module in enumerate(self):
            steps += [Shortcut.IS_ADDED] if index in ends else []
            steps += [Shortcut.LEAVES] if index in self.shortcuts else []
            steps.append(module)
        return steps

    def forward(self, input: Tensor) -> Tensor:
        """Compute the last maps of images, both (N, C, H, W)."""
        steps = deque(pools_before_relus(self.steps) if self.pool_first else self.steps)
        kept = input
        while steps:
            step = steps.popleft()
            if step is Shortcut.LEAVES:
                kept = input
            elif step is Shortcut.IS_ADDED:
                input = input + kept
            elif self.pools_in_cpp and is_halving_pool(step):
                input = max_pool_relu(input, relu=_took_relu(steps))
            elif (isinstance(step, BatchNorm2d) and step.in_cpp) or (
                isinstance(step, Conv2d) and step.takes_relu
            ):
                input = step(input, relu=_took_relu(steps))
            else:
                input = step(input)
        return input


def _took_relu(steps: deque[Step]) -> bool:
    """Take a ReLU away that comes next, and say whether one did."""
    # Not bool(steps): Dynamo of torch 2.11 breaks its graph at each.
    is_next = len(steps) > 0 and isinstance(steps[0], nn.ReLU)
    if is_next:
        steps.popleft()
    return is_next


Part = TypeVar("Part")


def pools_before_relus(steps: Sequence[Part]) -> list[Part]:
    """The steps with each max-pooling that follows a ReLU moved before it."""
    ordered = list(steps)
    for index, (step, after) in enumerate(itertools.pairwise(steps)):
        if isinstance(step, nn.ReLU) and isinstance(after, nn.MaxPool2d):
            ordered[index : index + 2] = after, step
    return ordered


class VGG(nn.Module):
    """A net from its table: blocks of convolutions, then fully connected layers.

    ``features`` and ``classifier`` are indexed as torchvision's, so that A, B, D and E at
    width 1, 224 px and 1,000 classes load its vgg11, 13, 16 and 19 (_bn) state dicts unchanged.
    There is no adaptive pooling: the first fully connected layer fits the last map of
    ``image_size`` exactly (7x7 at 224 px, 1x1 at 32 px), so that dense evaluation can turn it
    into a convolution.

    Args:
        model: the net's table and what else is varied of it.
        norm: normalisation between a convolution and its activation, or none. The convolution keeps
            its bias either way, as torchvision's does.
        classes: units of the last layer.
        image_size: side of the square images, in pixels; ``smallest_image`` or more.
        in_channels: of the images.

    Raises:
        ValueError: a size out of range, with its field and what is allowed.
    """

    compiled: Callable[[Tensor], Tensor] | None = None
    """``eager`` by torch.compile; used in training alone, whose batches are of one shape."""
    uncompiled_head: Callable[[Tensor], Tensor] | None = None
    """``classifier`` as torch.compile leaves it alone, for it cannot trace an exchange of factors,
    which goes on while other layers are computed. Set with ``compiled``."""

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
        check_sizes(model, classes=classes, image_size=image_size, in_channels=in_channels)
        self.image_size = image_size
        self.map_size = map_size(model, image_size)
        self.convolutions_by_block = model.net.convolutions_by_block
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
        head: Callable[[Tensor], Tensor] = self.classifier
        if self.uncompiled_head is not None and exchanges_factors(self.classifier):
            head = self.uncompiled_head
        return head(maps_nchw.flatten(1))


def _features(model: ModelConfig, norm: NormConfig, in_channels: int) -> Features:
    units = list(residual_units(model, in_channels))
    leaves, added = {first for first, _ in units}, {last for _, last in units}
    modules: list[nn.Module] = []
    starts: list[int] = []
    ends: list[int] = []
    convolution = 0
    for layer in model.net.layers:
        match layer:
            case Conv():
                starts += [len(modules)] if convolution in leaves else []
                channels = scaled(layer.channels, model.width)
                modules += _convolution(layer, norm, in_channels, channels)
                ends += [len(modules)] if convolution in added else []
                modules.append(_activation(model))
                if layer.lrn:  # after the activation, as Krizhevsky et al. 2012, section 3.3
                    modules.append(LocalResponseNorm(model.lrn))
                in_channels = channels
                convolution += 1
            case Pool():
                modules.append(_pooling(layer, model))
            case other:
                assert_never(other)
    return Features(*modules, shortcuts=dict(zip(starts, ends, strict=True)))


def _convolution(conv: Conv, norm: NormConfig, in_channels: int, channels: int) -> list[nn.Module]:
    module = Conv2d(in_channels, channels, conv.kernel, conv.stride, conv.padding)
    match norm.name:
        case "none":
            return [module]
        case "batch":
            return [module, BatchNorm2d(channels)]
        case "group":
            return [module, nn.GroupNorm(groups(channels, norm.group_channels), channels)]
        case "layer":
            return [module, nn.GroupNorm(1, channels)]
        case other:
            assert_never(other)


def groups(channels: int, group_channels: int) -> int:
    """Groups of equal size, of at least so many channels each; one where there are fewer."""
    most = max(1, channels // group_channels)
    return next(count for count in range(most, 0, -1) if channels % count == 0)


def _activation(model: ModelConfig) -> nn.Module:
    match model.activation:
        case "relu":
            return nn.ReLU(inplace=True)
        case "gelu":
            return nn.GELU()
        case "silu":
            return nn.SiLU()
        case other:
            assert_never(other)


def _pooling(pool: Pool, model: ModelConfig) -> nn.Module:
    match model.pooling:
        case "max":
            return nn.MaxPool2d(pool.kernel, pool.stride, ceil_mode=pool.ceil)
        case "average":
            return nn.AvgPool2d(pool.kernel, pool.stride, ceil_mode=pool.ceil)
        case "stride":
            raise AssertionError("the convolution before it has its stride")
        case other:
            assert_never(other)


def _classifier(model: ModelConfig, last_map: int, classes: int) -> nn.Sequential:
    inputs = scaled(model.net.convolutions[-1].channels, model.width) * last_map**2
    modules: list[nn.Module] = []
    for number, hidden in enumerate(model.hidden):
        units = scaled(hidden, model.width)
        dropout = KeyedDropout(model.dropout, number)
        modules += [Linear(inputs, units), _activation(model), dropout]
        inputs = units
    return nn.Sequential(*modules, Linear(inputs, classes))


def parameters_by_block(net: VGG) -> dict[str, list[nn.Parameter]]:
    """Group a net's parameters: ``block1`` to ``block5``, the convolutions of a block with their
    norms, then ``fc1`` to ``fc3``."""
    blocks: dict[str, list[nn.Parameter]] = {}
    ends = list(itertools.accumulate(net.convolutions_by_block))
    convolution = 0
    for module in net.features:
        convolution += isinstance(module, nn.Conv2d)
        if found := list(module.parameters()):
            block = next(number for number, end in enumerate(ends, 1) if convolution <= end)
            blocks.setdefault(f"block{block}", []).extend(found)
    layers = [module for module in net.classifier if isinstance(module, nn.Linear)]
    return blocks | {f"fc{i}": list(layer.parameters()) for i, layer in enumerate(layers, start=1)}
