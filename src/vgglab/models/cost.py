"""The cost of a net, by arithmetic from its layer table. Knows no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.models.layer_costs import BYTES_A_VALUE, LayerCost, LayerType, layer_costs
from vgglab.models.layers import check_sizes

__all__ = ["BYTES_A_VALUE", "LayerCost", "LayerType", "NetCost", "describe"]


@dataclass(frozen=True, kw_only=True)
class NetCost:
    """The rows of a net from input to logits, and their totals, for one image."""

    model: str
    weight_layers: int
    layers: tuple[LayerCost, ...]
    state_values: int = 1
    """Values that the optimiser keeps for each parameter."""

    @property
    def values_in_training(self) -> int:
        """Values for each parameter: itself, its gradient and the optimiser's state."""
        return 2 + self.state_values

    @property
    def parameters(self) -> int:
        """Trainable parameters, biases among them."""
        return sum(row.parameters for row in self.layers)

    @property
    def parameters_without_biases(self) -> int:
        """Weights alone."""
        return sum(row.parameters_without_biases for row in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass."""
        return sum(row.macs for row in self.layers)

    @property
    def activations_all(self) -> int:
        """Values of input, convolutions, poolings and fully connected layers."""
        return self._activations("input", "conv", "pool", "fc")

    @property
    def activations_convolutions(self) -> int:
        """Values of the convolutions' outputs."""
        return self._activations("conv")

    def _activations(self, *types: LayerType) -> int:
        return sum(row.activations for row in self.layers if row.type in types)

    def memory(self) -> dict[str, int]:
        """Estimate memory in bytes, at 4 a value; workspaces of the kernels come on top.

        ``least_forward`` is the weights, and the input and output of the layer where these are
        largest, with everything else freed.
        """
        pairs = zip(self.layers, self.layers[1:], strict=False)
        widest = max(row.memory_forward + after.memory_forward for row, after in pairs)
        weights = self.parameters * BYTES_A_VALUE
        return {
            "weights": weights,
            "weights_training": weights * self.values_in_training,
            "image_forward": sum(row.memory_forward for row in self.layers),
            "image_training": sum(row.memory_training for row in self.layers),
            "least_forward": weights + widest,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers, ready for JSON; users of ``task=describe`` rely on the keys."""
        rows = [
            dataclasses.asdict(row)
            | {
                "output_shape": list(row.output_shape),
                "activations": row.activations,
                "memory_forward": row.memory_forward,
                "memory_training": row.memory_training,
            }
            for row in self.layers
        ]
        return {
            "model": self.model,
            "parameters": self.parameters,
            "parameters_without_biases": self.parameters_without_biases,
            "macs": self.macs,
            "activations_all": self.activations_all,
            "activations_convolutions": self.activations_convolutions,
            "weight_layers": self.weight_layers,
            "memory": self.memory(),
            "layers": rows,
        }


def describe(
    model: ModelConfig,
    norm: NormConfig,
    *,
    classes: int,
    image_size: int,
    in_channels: int = 3,
    state_values: int = 1,
) -> NetCost:
    """Compute the cost of the net that ``build`` makes of the same arguments, for one image.

    Args:
        model: the net and its width.
        norm: normalisation between a convolution and its activation.
        classes: units of the last layer.
        image_size: side of the square image, in pixels.
        in_channels: of the image.
        state_values: values that the optimiser keeps for each parameter.

    Returns:
        Its rows, from the image to the logits.

    Raises:
        ValueError: ``classes``, ``image_size`` or ``in_channels`` out of range.
    """
    check_sizes(model, classes=classes, image_size=image_size, in_channels=in_channels)
    rows = layer_costs(model, norm, classes, image_size, in_channels)
    return NetCost(
        model=model.name,
        weight_layers=model.net.weight_layers,
        layers=tuple(rows),
        state_values=state_values,
    )
