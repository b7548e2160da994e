"""The identity rule: what of a config decides what a run computes."""

from __future__ import annotations

import dataclasses
from typing import Any

from vgglab.config.fields import Role, roles

SCHEMA_VERSION = 1
"""Raised when the same config comes to mean another computation."""


def semantic(config: Any) -> dict[str, Any]:
    """Every field of a config dataclass that is not infrastructure, nested, as plain values."""
    kept = {}
    for name, role, value in roles(config):
        if role is Role.INFRASTRUCTURE:
            continue
        kept[name] = semantic(value) if dataclasses.is_dataclass(value) else value
    return kept
