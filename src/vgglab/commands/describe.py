"""``task=describe``: the layer table of a net, what it costs and what others print of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vgglab.config import Config
from vgglab.data.sources.registry import channels
from vgglab.models import filters
from vgglab.models.cost import BYTES_A_VALUE, NetCost
from vgglab.models.published_sizes import Comparison, comparisons, is_published_size
from vgglab.training.net_cost import net_cost
from vgglab.workflow.output import print_rows

COLUMNS = (
    "name", "type", "output_shape", "parameters", "parameters_without_biases", "macs",
    "activations", "receptive_field", "memory_forward", "memory_training",
)  # fmt: skip
"""Columns of ``format=csv``; memory in bytes for one image."""
MIB = 2**20
QUANTITIES = {
    "parameters_without_biases": "parameters without biases",
    "macs": "MACs",
    "activations_all": "values of all rows",
    "activations_convolutions": "values of convolutions",
    "activations_convolutions_twice": "the same, doubled for backward",
}
"""What a published figure is about, where its name does not say it."""


def describe(config: Config) -> None:
    """Print the net of a config, layer by layer, as a table, JSON or CSV."""
    size = {
        "classes": config.data.classes,
        "image_size": config.data.image_size,
        "in_channels": channels(config.data),
    }
    cost = net_cost(config)
    published = is_published_size(config.model, config.norm, **size)
    beside = comparisons(cost) if published else []
    described = cost.as_dict()
    document = (
        described
        | {"width": config.model.width, "norm": config.norm.name}
        | size
        | {"published": [_as_dict(figure) for figure in beside]}
        | {"filters": filters.rows()}
    )
    rows = [
        layer | {"output_shape": "x".join(map(str, layer["output_shape"]))}
        for layer in described["layers"]
    ]
    print_rows(
        rows,
        config.format,
        document=document,
        tables=lambda: _tables(config, cost, beside, size["in_channels"]),
        columns=COLUMNS,
    )


def _as_dict(figure: Comparison) -> dict[str, object]:
    return dataclasses.asdict(figure) | {"agrees": figure.agrees}


def _tables(
    config: Config, cost: NetCost, beside: Sequence[Comparison], in_channels: int
) -> Iterator[RenderableType]:
    """Layers, totals, memory, what others print and the filters, to fit 80 columns."""
    yield _layers(_title(config, cost, in_channels), cost)
    yield _totals(cost)
    yield _memory(cost, config.recipe.batch_size)
    if beside:
        yield _published(beside)
    else:
        yield Text(
            "Printed figures to compare with are of width 1 without batch norm, 224 px RGB and "
            "1,000 classes; this net is another.\n"
        )
    yield _filters()


def _table(title: str, columns: str, *, words: Sequence[int] = (0,)) -> Table:
    """A table with these columns, numbers to the right, ``words`` to the left."""
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False
    )
    for index, name in enumerate(columns.split("|")):
        left = index in words
        table.add_column(name, justify="left" if left else "right", no_wrap=not left)
    return table


def _title(config: Config, cost: NetCost, in_channels: int) -> str:
    size, colours = config.data.image_size, f" x {in_channels}"
    norm = "without batch norm" if config.norm.name == "none" else f"with {config.norm.name} norm"
    return (
        f"{config.model.full_name}: {cost.weight_layers} weight layers, "
        f"width {config.model.width:g}, "
        f"{norm}; {size} x {size}{colours} px, {config.data.classes:,} classes"
    )


def _layers(title: str, cost: NetCost) -> Table:
    columns = "layer|output|parameters|MACs|values|field|forward|training"
    table = _table(title, columns, words=(0, 1))
    for row in cost.layers:
        table.add_row(
            row.name,
            "x".join(map(str, row.output_shape)),
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.macs:,}" if row.macs else "",
            f"{row.activations:,}",
            str(row.receptive_field),
            f"{row.memory_forward / MIB:.2f}",
            f"{row.memory_training / MIB:.2f}",
        )
    table.caption = (
        "For one image. field: side of the receptive field, px. forward: MiB of the output at "
        f"{BYTES_A_VALUE} bytes a value; training: with its gradient."
    )
    table.caption_justify = "left"
    return table


def _totals(cost: NetCost) -> Table:
    table = _table("Totals by convention", "counted|number|MiB at 4 bytes|twice, MiB")
    counts = {
        "parameters": cost.parameters,
        "parameters without biases": cost.parameters_without_biases,
        "values of convolutions' outputs only": cost.activations_convolutions,
        "values of all rows (input, conv, pool, fc)": cost.activations_all,
    }
    for name, count in counts.items():
        mebibytes = count * BYTES_A_VALUE / MIB
        twice = f"{2 * mebibytes:,.2f}" if "values" in name else ""
        table.add_row(name, f"{count:,}", f"{mebibytes:,.2f}", twice)
    table.add_row("multiply-accumulates (MACs); FLOPs: twice", f"{cost.macs:,}", "", "")
    return table


def _memory(cost: NetCost, batch_size: int) -> Table:
    bytes_of = cost.memory()
    rows = {
        "weights": bytes_of["weights"],
        f"weights, training (x{cost.values_in_training}: with gradient, optimiser state)": bytes_of[
            "weights_training"
        ],
        "an image forward, every output kept": bytes_of["image_forward"],
        "an image in training, outputs and gradients": bytes_of["image_training"],
        "least for one image forward: weights, widest layer": bytes_of["least_forward"],
        f"training step of {batch_size} images": bytes_of["weights_training"]
        + batch_size * bytes_of["image_training"],
    }
    table = _table("Memory by arithmetic, 4 bytes a value; workspaces come on top", "what|MiB")
    for name, size in rows.items():
        table.add_row(name, f"{size / MIB:,.2f}")
    return table


def _published(beside: Sequence[Comparison]) -> Table:
    table = _table("Beside what others print", "quantity|here|printed|by|", words=(0, 3, 4))
    for figure in beside:
        name = QUANTITIES.get(figure.quantity, figure.quantity.replace("_of_", " of "))
        unit = f", {figure.unit}" if figure.unit else ""
        verdict = "the same" if figure.agrees else f"wrong: {figure.wrong}"
        here, printed = (_number(v, figure.digits) for v in (figure.here, figure.printed))
        table.add_row(name + unit, here, printed, figure.source, verdict)
    return table


def _number(value: float | int | str, digits: int) -> str:
    return value if isinstance(value, str) else f"{value:,.{digits}f}"


def _filters() -> Table:
    table = _table(
        "Stacks of filters that see equally far (section 2.3), stride 1",
        "stack|sees, px|weights a channel pair|ReLUs|weights of the large filter",
    )
    for pair in filters.COMPARED:
        large = pair[0].weights
        for stack in pair:
            table.add_row(
                stack.name,
                f"{stack.receptive_field}x{stack.receptive_field}",
                str(stack.weights),
                str(stack.nonlinearities),
                f"{100 * stack.weights / large:.0f} %",
            )
    return table
