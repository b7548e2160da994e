"""The identity rule: what of a config decides what a run computes."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_type_hints

from vgglab.config.experiment import Config
from vgglab.config.fields import Role, roles, since_of

SCHEMA_VERSION = 2
"""Raised when the same config comes to mean another computation."""


def plain(config: Any) -> dict[str, Any]:
    """A whole config dataclass as JSON, YAML and W&B take it."""
    tree: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return tree


def semantic(config: Any) -> dict[str, Any]:
    """Every field of a config dataclass that is not infrastructure, nested, as plain values."""
    kept = {}
    hints = get_type_hints(type(config), include_extras=True)
    for name, role, value in roles(config):
        since = since_of(hints[name])
        if role is Role.INFRASTRUCTURE or (since is not None and value == since.before):
            continue
        kept[name] = semantic(value) if dataclasses.is_dataclass(value) else value
    return kept


def division(config: Config) -> dict[str, Any]:
    """What the division of a step over devices and micro-batches does to the result.

    Empty where it does nothing, so that such a run has one name wherever it is trained. Batch norm
    sees one micro-batch at a time, and one device's part of it where ``trainer.batch_norm`` is
    ``local``; compressed gradients are rounded on each device.
    """
    found: dict[str, Any] = {}
    ranks = config.processes if config.trainer.batch_norm == "local" else 1
    if config.norm.name == "batch" and (ranks, config.trainer.accumulate) != (1, 1):
        found["batch_norm"] = {"devices": ranks, "micro_batches": config.trainer.accumulate}
    if config.processes > 1 and config.trainer.compress_gradients != "none":
        found["compressed"] = [config.trainer.compress_gradients, config.processes]
    return found
