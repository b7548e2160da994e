"""The order of protocols in tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from vgglab.config import ProtocolName

ORDER: tuple[str, ...] = get_args(ProtocolName)
"""The paper's, from one forward to 150 crops and more."""


def in_order(labels: Iterable[str]) -> list[str]:
    """The paper's order; ``dense-64``, other scales of a protocol, follow it."""

    def place(label: str) -> tuple[int, str]:
        name = label.partition("-")[0]
        return ORDER.index(name) if name in ORDER else len(ORDER), label

    return sorted(labels, key=place)
