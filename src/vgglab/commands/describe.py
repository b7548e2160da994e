"""``task=describe``: the layer table of a net and what it costs."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any

from vgglab.commands.describe_tables import print_tables
from vgglab.config import Config
from vgglab.data.sources.registry import channels
from vgglab.models import filters
from vgglab.models.published_sizes import Comparison, comparisons, is_published_size
from vgglab.training.net_cost import net_cost

COLUMNS = (
    "name", "type", "output_shape", "parameters", "parameters_without_biases", "macs",
    "activations", "receptive_field", "memory_forward", "memory_training",
)  # fmt: skip
"""Of ``format=csv``; memory in bytes for one image."""


def print_description(config: Config) -> None:
    """Print the net of a config, layer by layer, as a table, JSON or CSV."""
    size = {
        "classes": config.data.classes,
        "image_size": config.data.image_size,
        "in_channels": channels(config.data),
    }
    cost = net_cost(config)
    published = is_published_size(config.model, config.norm, **size)
    beside = comparisons(cost) if published else []
    if config.format == "json":
        print(
            json.dumps(
                cost.as_dict()
                | {"width": config.model.width, "norm": config.norm.name}
                | size
                | {"published": [_plain(figure) for figure in beside]}
                | {"filters": filters.rows()}
            )
        )
    elif config.format == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(COLUMNS)
        for layer in cost.as_dict()["layers"]:
            writer.writerow([_text(layer[column]) for column in COLUMNS])
    else:
        print_tables(config, cost, beside, in_channels=size["in_channels"])


def _plain(figure: Comparison) -> dict[str, Any]:
    return {
        "quantity": figure.quantity,
        "unit": figure.unit,
        "here": figure.here,
        "printed": figure.printed,
        "source": figure.source,
        "agrees": figure.agrees,
        "wrong": figure.wrong,
    }


def _text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return "x".join(map(str, value))
    return str(value)
