"""The order of protocols in tables."""

from __future__ import annotations

from collections.abc import Iterable

from vgglab.config.protocol import PROTOCOLS


def place_in_order(label: str) -> tuple[int, str]:
    """Sorts as the registry does; ``dense-64``, a protocol at other scales, follows it."""
    name, order = label.partition("-")[0], list(PROTOCOLS)
    return order.index(name) if name in order else len(order), label


def in_order(labels: Iterable[str]) -> list[str]:
    """The labels in the registry's order."""
    return sorted(labels, key=place_in_order)
