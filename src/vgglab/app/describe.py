"""``task=describe``: the layer table of a net and what it costs."""

from __future__ import annotations

import csv
import json
import sys

from rich.console import Console
from rich.table import Table

from vgglab.app.cost import net_cost
from vgglab.config import Config

COLUMNS = ("name", "type", "output_shape", "parameters", "macs", "receptive_field")


def print_description(config: Config) -> None:
    """Print the net of a config, layer by layer."""
    cost = net_cost(config).as_dict()
    rows = [[_text(layer[column]) for column in COLUMNS] for layer in cost["layers"]]
    if config.format == "json":
        print(json.dumps(cost))
    elif config.format == "csv":
        csv.writer(sys.stdout).writerows([COLUMNS, *rows])
    else:
        table = Table(title=f"{config.model.name}, width {config.model.width:g}")
        for column in COLUMNS:
            table.add_column(column.replace("_", " "), justify="right")
        for row in rows:
            table.add_row(*row)
        console = Console()
        console.print(table)
        for name, value in cost.items():
            if isinstance(value, int):
                console.print(f"{name.replace('_', ' ')}: {value:,}", highlight=False)


def _text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return "x".join(map(str, value))
    return str(value)
