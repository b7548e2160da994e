"""The order of protocols in tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from vgglab.config import ProtocolName

ORDER: tuple[str, ...] = get_args(ProtocolName)
"""The paper's, from one forward to 150 crops and more."""


def place_in_order(label: str) -> tuple[int, str]:
    """Sorts as the paper does; ``dense-64``, a protocol at other scales, follows it."""
    name = label.partition("-")[0]
    return ORDER.index(name) if name in ORDER else len(ORDER), label


def in_order(labels: Iterable[str]) -> list[str]:
    """The labels in the paper's order."""
    return sorted(labels, key=place_in_order)
