"""The name of an arm: one for all its seeds, and no other arm's, whatever study has trained it.

A run is told to W&B while it trains, when nobody knows which studies will show it. Its arm's name
therefore follows from its config alone: the readable part says where it leaves what ``python
run.py`` composes, as far as there is room, and a hash tells it from every other.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from vgglab.config import Config
from vgglab.config.fields import Role, marks_of
from vgglab.runs.identity import net_name

LONGEST = 40
"""Most characters before the hash; a part that would pass them is left to the hash."""
HASH = 8
"""Hex digits of the hash. Two of 1,000 arms share them with a chance of 1 in 8,600."""

SHOWN = (Role.SCIENTIFIC, Role.NUISANCE)
"""Roles of the fields that have a part of the name: what studies ask about, and what they tune."""
GROUPS = ("model", "init", "recipe", "protocol", "data")
"""In the order of the name; model and norm begin it."""
SHORT = {
    "data.image_size": "s",
    "model.dropout": "dropout",
    "model.width": "w",
    "recipe.batch_size": "b",
    "recipe.epochs": "e",
    "recipe.learning_rate": "lr",
    "recipe.optimizer": "",
    "recipe.schedule.warmup_epochs": "warmup",
}
"""Field -> what stands before its value; others have their own name and ``=``."""
USUAL = {"recipe.schedule.warmup_epochs": 0.5}
"""What ``python run.py`` composes where that is not the field's own default."""
USUAL_DATA = "digits"


def arm_name(config: Config, digest: str) -> str:
    """``d-bn-w0.5-lr0.05-1a2b3c4d``: net, what is not as usual, and a hash.

    Args:
        config: of a run of the arm, resolved.
        digest: ``arm_hash`` of the run.
    """
    name = net_name(config)
    parts = [part for group in GROUPS for part in _parts(getattr(config, group), group)]
    parts += [config.data.name] if config.data.name != USUAL_DATA else []
    for part in parts:
        if len(name) + 1 + len(part) <= LONGEST:
            name += f"-{part}"
    return f"{name}-{digest[:HASH]}"


def _parts(group: Any, path: str) -> Iterator[str]:
    """What of a group is not as usual."""
    usual = type(group)()
    for field in marks_of(type(group)):
        where, value = f"{path}.{field.name}", getattr(group, field.name)
        if dataclasses.is_dataclass(value):
            yield from _parts(value, where)
        elif (
            field.role in SHOWN
            and where not in ("model.name", "model.layers", "data.name")
            and value != USUAL.get(where, getattr(usual, field.name))
        ):
            yield from _part(where, value)


def _part(where: str, value: Any) -> Iterator[str]:
    """``w0.5``, ``glorot``, ``label_smoothing=0.1``; nothing where the value is no short word."""
    name = where.rpartition(".")[2]
    text = f"{value:g}" if isinstance(value, float) else str(value).lower()
    if re.fullmatch(r"[A-Za-z0-9_.+-]{1,24}", text):
        yield SHORT.get(where, "" if name == "name" else f"{name}=") + text
