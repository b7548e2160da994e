"""The identity rule: what of a config decides a run's numbers, derived from each field's role.

The hash, the guard against confounds, the question which runs may be paired, and what a command
takes from a stored config are all derived from the functions of this file.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from vgglab.config.experiment import Config
from vgglab.config.fields import Role, marks_of
from vgglab.config.nets import as_text

SCHEMA_VERSION = 2
"""Raised when the same config comes to mean another computation."""

SEED = "seed"
"""The one semantic field that does not belong to an arm."""


def plain(config: Any) -> dict[str, Any]:
    """A whole config dataclass as JSON, YAML and W&B take it."""
    tree: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return tree


def semantic(config: Any) -> dict[str, Any]:
    """The fields of a config dataclass that decide what a run computes, nested, for the hash.

    A field that was added later is left out at the value that means "as before".
    """
    return _semantic(config, hashed=True)


def _semantic(config: Any, *, hashed: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for field in marks_of(type(config)):
        value = getattr(config, field.name)
        if field.role is not None and not field.role.is_semantic:
            continue
        if hashed and field.since is not None and field.since.leaves_out(config, value):
            continue
        if dataclasses.is_dataclass(value):
            kept[field.name] = _semantic(value, hashed=hashed)
        else:
            kept[field.name] = json.loads(json.dumps(value, default=dataclasses.asdict))
    return kept


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``("recipe.schedule.name", "cosine")`` for each leaf of a nested mapping; lists as tuples."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", tuple(value) if isinstance(value, list) else value


def semantic_fields(config: Config) -> dict[str, Any]:
    """Dotted name -> value of everything in a config that decides a run's numbers.

    Of a resolved config. How a step is divided is among them where it changes the result.
    """
    fields = dict(flatten(_semantic(config, hashed=False)))
    fields["model.blocks"] = as_text(config.model.blocks)
    divided = division(config)
    if batch_norm := divided.get("batch_norm"):
        fields["trainer.accumulate"] = batch_norm["micro_batches"]
        if batch_norm["devices"] > 1:
            fields |= {"trainer.batch_norm": "local", "devices": batch_norm["devices"]}
    if compressed := divided.get("compressed"):
        fields["trainer.compress_gradients"], fields["devices"], *factors = compressed
        if factors:
            fields["trainer.head_gradients"] = factors[0]
    return fields


def arm_fields(config: Config) -> dict[str, Any]:
    """``semantic_fields`` but the seed: equal for the runs of an arm."""
    fields = semantic_fields(config)
    del fields[SEED]
    return fields


def role_of(config: Any, path: str) -> Role:
    """The role of a field of a config by its dotted name; a group's own role is that of all in it.

    ``data.name``, by which a data set is told from others, is written down as no role: it is what a
    study may vary.

    Raises:
        KeyError: the config has no such field.
    """
    owner = config
    for name in path.split("."):
        marks = marks_of(type(owner)) if dataclasses.is_dataclass(owner) else ()
        mark = next((f for f in marks if f.name == name), None)
        if mark is None:
            raise KeyError(path)
        if mark.role is not None:
            return mark.role
        owner = getattr(owner, name)
    return Role.SCIENTIFIC


def with_infrastructure_of(stored: Any, command: Any) -> dict[str, Any]:
    """A stored config as another command may use it: what it computes as stored, the rest anew.

    Of two data sets of different kinds the stored one's infrastructure stays, for the command's
    says nothing about it.

    Returns:
        The tree of plain values that ``parse`` takes.
    """
    tree, anew = plain(stored), plain(command)
    for field in marks_of(type(stored)):
        ours, theirs = getattr(stored, field.name), getattr(command, field.name)
        if field.role is Role.INFRASTRUCTURE:
            tree[field.name] = anew[field.name]
        elif dataclasses.is_dataclass(ours) and type(ours) is type(theirs):
            tree[field.name] = with_infrastructure_of(ours, theirs)
    return tree


def division(config: Config) -> dict[str, Any]:
    """What the division of a step over devices and micro-batches does to the result.

    Empty where it does nothing, so that such a run has one name wherever it is trained. Batch norm
    sees one micro-batch at a time, and one device's part of it where ``trainer.batch_norm`` is
    ``local``; compressed gradients are rounded on each device, and so are their factors.
    """
    found: dict[str, Any] = {}
    ranks = config.processes if config.trainer.batch_norm == "local" else 1
    if config.norm.name == "batch" and (ranks, config.trainer.accumulate) != (1, 1):
        found["batch_norm"] = {"devices": ranks, "micro_batches": config.trainer.accumulate}
    if config.processes > 1 and config.trainer.compress_gradients != "none":
        found["compressed"] = [config.trainer.compress_gradients, config.processes]
        if config.trainer.head_gradients != "sum":
            found["compressed"].append(config.trainer.head_gradients)
    return found
