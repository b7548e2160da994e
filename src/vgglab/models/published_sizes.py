"""Figures that others print about the nets, beside those computed here. Knows no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.config.nets import shipped
from vgglab.models.cost import BYTES_A_VALUE, NetCost

_UNITS = {
    "": 1.0,
    "millions": 1e6,
    "billions": 1e9,
    "MB": 1e6 / BYTES_A_VALUE,
    "MiB": 2**20 / BYTES_A_VALUE,
}
"""Values in one printed unit; memory is of 4-byte values."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One printed figure and the one computed here, in the printed unit and to its digits."""

    quantity: str
    unit: str
    digits: int
    """Number of decimals in print."""
    source: str
    printed: float | int | str
    here: float | int | str
    wrong: str
    """Why the printed figure is not the net's; empty where it is."""

    @property
    def agrees(self) -> bool:
        """Whether the two figures are equal."""
        return self.printed == self.here


def is_published_size(
    model: ModelConfig, norm: NormConfig, *, classes: int, image_size: int, in_channels: int
) -> bool:
    """Tell whether a net has the size that published figures are about.

    Args:
        model: the net and its width.
        norm: normalisation between a convolution and its activation.
        classes: units of the last layer.
        image_size: side of the square images, in pixels.
        in_channels: of the images.

    Returns:
        Whether it is of its name's table and width 1, without batch norm, for 1,000 classes and RGB
        images of 224 px.
    """
    if model.name not in shipped() or model.net != ModelConfig(name=model.name).net:
        return False
    return (model.width, norm.name, classes, image_size, in_channels) == (1, "none", 1000, 224, 3)


def comparisons(cost: NetCost) -> list[Comparison]:
    """List the printed figures about a net of the published size; there may be none."""
    return [
        Comparison(
            quantity=entry["quantity"],
            unit=entry.get("unit", ""),
            digits=entry.get("digits", 0),
            source=entry["source"],
            printed=entry["printed"][cost.model],
            here=_in_unit(_value(cost, entry["quantity"]), entry),
            wrong=entry.get("wrong", ""),
        )
        for entry in _entries()
        if cost.model in entry["printed"]
    ]


@cache
def _entries() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = yaml.safe_load(
        Path(__file__).with_name("published_sizes.yaml").read_text("utf-8")
    )
    return entries


def _value(cost: NetCost, quantity: str) -> int | str:
    kind, _, layer = quantity.rpartition("_of_")
    row = next((row for row in cost.layers if row.name == layer), None)
    if kind == "weights" and row is not None:
        return row.parameters_without_biases
    if kind == "shape" and row is not None:
        return "x".join(map(str, row.output_shape))
    if quantity == "activations_convolutions_twice":
        return 2 * cost.activations_convolutions
    value: int = getattr(cost, quantity)
    return value


def _in_unit(value: int | str, entry: Mapping[str, Any]) -> float | int | str:
    if isinstance(value, str) or "unit" not in entry:
        return value
    digits: int = entry["digits"]
    return round(value / _UNITS[entry["unit"]], digits)
