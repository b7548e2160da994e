"""The rows of all parts as tables for a reader, with what was wanted of them first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from side_by_side import markdown

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""Rows by part."""


def tables_of(found: Rows, heads: Mapping[str, str], states: Sequence[Row]) -> str:
    """Markdown: targets, parts, and a table for each form of row of each part.

    Args:
        found: rows by part.
        heads: what each part shows.
        states: a row a part: how it ended.
    """
    blocks = []
    if targets := list(targets_of(found)):
        blocks.append(markdown(["wanted", "is", "at", "least or most"], targets))
    blocks.append(
        markdown(
            ["part", "state", "seconds", "shows"],
            [[s["part"], s["state"], s["seconds"], heads[s["part"]]] for s in states],
        )
    )
    for part, rows in found.items():
        blocks += [f"## {part}: {heads[part]}"] if rows else []
        blocks += [markdown(list(group[0]), _cells(group)) for group in _alike(rows)]
    return "\n\n".join(blocks)


def _alike(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows that follow each other and have the same columns."""
    group: list[Row] = []
    for row in rows:
        if group and list(group[0]) != list(row):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _cells(rows: Sequence[Row]) -> list[list[object]]:
    return [[_cell(value) for value in row.values()] for row in rows]


def _cell(value: Any) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={inner}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if value is None or isinstance(value, float) else str(value)


def targets_of(found: Rows) -> Iterator[list[object]]:
    """What issue 17 wants of one H100, what there is, and at which batch."""
    steps = [s for part in ("step", "step_more") for s in found.get(part, ()) if "row" in s]

    def rate(row: str, batch: int, net: str = "d") -> float | None:
        for step in steps:
            if (step["row"], step.get("batch"), step.get("net")) == (row, batch, net):
                return step.get("img_s")
        return None

    for batch in sorted({step["batch"] for step in steps if "batch" in step}):
        ours = rate("ours", batch)
        for peer, least in (("reference", 1.5), ("compiled", 1.15)):
            other = rate(peer, batch)
            if ours and other:
                yield [f"ours over {peer}", ours / other, f"batch {batch}", f">= {least}"]
        shares = [
            s.get("share_of_peak")
            for s in steps
            if (s["row"], s.get("batch")) == ("ours", batch) and s.get("net") == "d"
        ]
        if shares and shares[0]:
            yield ["share of the measured matrix peak", shares[0], f"batch {batch}", ">= 0.55"]
        plain, with_lrn = rate("ours", batch, "a"), rate("ours", batch, "a_lrn")
        if plain and with_lrn:
            yield ["A-LRN's step over A's", plain / with_lrn, f"batch {batch}", "<= 1.05"]
    for row in found.get("fit", ()):
        if row.get("over_bare"):
            yield ["a run's step over the bare step", row["over_bare"], row["what"], "<= 1.02"]
    for row in found.get("lrn", ()):
        if row.get("x_floor") and row["row"] == "ours, trainer.lrn_kernel=auto":
            yield ["LRN over the memory's floor", row["x_floor"], row["dtype"], "<= 2"]
