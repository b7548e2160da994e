"""The rows of a net's cost, by one walk over its layers from image to logits. Knows no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, assert_never

from vgglab.config.model import NORM_MARKS, ModelConfig, NormConfig, NormName
from vgglab.config.nets import Conv, Pool
from vgglab.models.layers import scaled

LayerType = Literal["input", "conv", "batch_norm", "group_norm", "layer_norm", "lrn", "pool", "fc"]
_NORMS: dict[NormName, LayerType] = {
    "batch": "batch_norm",
    "group": "group_norm",
    "layer": "layer_norm",
}

BYTES_A_VALUE = 4
"""Size of a value in fp32; autocast to bf16 halves the outputs, but not the weights."""


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """The cost of one image in one layer. Activation and dropout have no
    row."""

    name: str
    """The layer as the VGG group writes it: conv3_1 is the first convolution of the third block."""
    type: LayerType
    output_shape: tuple[int, ...]
    """(C, H, W), or (units,) of a fully connected layer."""
    parameters: int = 0
    parameters_without_biases: int = 0
    """A norm's shift counts as a bias."""
    macs: int = 0
    """Multiply-accumulates; counted for convolutions and fully connected layers only."""
    receptive_field: int
    """Side of the square of input pixels that one output can depend on; it may be larger than the
    image."""

    @property
    def activations(self) -> int:
        """Values in the output."""
        return math.prod(self.output_shape)

    @property
    def memory_forward(self) -> int:
        """Bytes of the output."""
        return self.activations * BYTES_A_VALUE

    @property
    def memory_training(self) -> int:
        """Bytes of the output, kept for backward, and of its gradient; images need none."""
        return self.memory_forward * (1 if self.type == "input" else 2)


def layer_costs(
    model: ModelConfig, norm: NormConfig, classes: int, image_size: int, in_channels: int
) -> Iterator[LayerCost]:
    """List the input, then every layer in order.

    Args:
        model: the net and its width.
        norm: normalisation between a convolution and its activation.
        classes: units of the last layer.
        image_size: side of the square image, in pixels; large enough for the net.
        in_channels: of the image.

    Returns:
        The rows, from the input to the last fully connected layer.
    """
    row = LayerCost(
        name="input",
        type="input",
        output_shape=(in_channels, image_size, image_size),
        receptive_field=1,
    )
    yield row
    for row in _feature_rows(model, norm, in_channels, image_size):
        yield row
    yield from _head_rows(model, row, classes)


def _feature_rows(
    model: ModelConfig, norm: NormConfig, channels: int, size: int
) -> Iterator[LayerCost]:
    field, step = 1, 1  # receptive field, and input pixels between neighbours of the map
    for place, layer in model.net.places():
        field += (layer.kernel - 1) * step
        size, step = layer.size(size), step * layer.stride
        match layer:
            case Pool():
                yield LayerCost(
                    name=f"pool{place}",
                    type="pool",
                    output_shape=(channels, size, size),
                    receptive_field=field,
                )
            case Conv():
                inputs, channels = channels, scaled(layer.channels, model.width)
                shape = (channels, size, size)
                yield from _conv_rows(layer, norm, place, inputs=inputs, shape=shape, field=field)
            case other:
                assert_never(other)


def _conv_rows(
    conv: Conv,
    norm: NormConfig,
    place: str,
    *,
    inputs: int,
    shape: tuple[int, int, int],
    field: int,
) -> Iterator[LayerCost]:
    channels, height, width = shape
    weights = channels * inputs * conv.kernel**2
    yield LayerCost(
        name=f"conv{place}",
        type="conv",
        output_shape=shape,
        parameters=weights + channels,
        parameters_without_biases=weights,
        macs=weights * height * width,
        receptive_field=field,
    )
    if norm.name != "none":
        yield LayerCost(
            name=f"{NORM_MARKS[norm.name]}{place}",
            type=_NORMS[norm.name],
            output_shape=shape,
            parameters=2 * channels,
            parameters_without_biases=channels,
            receptive_field=field,
        )
    if conv.lrn:
        yield LayerCost(name=f"lrn{place}", type="lrn", output_shape=shape, receptive_field=field)


def _head_rows(model: ModelConfig, last: LayerCost, classes: int) -> Iterator[LayerCost]:
    step = math.prod(layer.stride for layer in model.net.layers)
    field = last.receptive_field + (last.output_shape[-1] - 1) * step
    inputs = last.activations
    hidden = [scaled(units, model.width) for units in model.hidden]
    for number, units in enumerate([*hidden, classes], start=model.net.first_fc):
        yield LayerCost(
            name=f"fc{number}",
            type="fc",
            output_shape=(units,),
            parameters=(inputs + 1) * units,
            parameters_without_biases=inputs * units,
            macs=inputs * units,
            receptive_field=field,
        )
        inputs = units
