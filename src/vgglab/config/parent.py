"""Runs that start from the weights of another one, their parent (paper, section 3.1).

A parent has no name in a config: it is the run itself with declared changes (``init.parent``), so
that seed, width and data follow, and so that it can be trained where it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vgglab.config.experiment import Config
from vgglab.config.identity import plain
from vgglab.config.model import FROM_PARENT
from vgglab.config.parse import ConfigError, parse

CHANGEABLE = ("seed", "model", "norm", "init", "data", "recipe", "protocol")
"""What a parent may have different."""

_USUALLY: dict[str, dict[str, Any]] = {
    "pretrained_a": {"model": {"name": "a", "blocks": [], "layers": 0}},
    "from_run": {},
}


def parent_of(config: Config) -> Config | None:
    """The config of the run whose weights this one starts from; none if it draws its own.

    Raises:
        ConfigError: ``init.parent`` has a field that does not exist, or a value that is not legal.
    """
    init = config.init
    if init.name not in FROM_PARENT:
        return None
    if unknown := sorted(set(init.parent) - set(CHANGEABLE)):
        raise ConfigError(
            f"init.parent.{unknown[0]}: a parent may differ in {', '.join(CHANGEABLE)}"
        )
    tree = plain(config)
    tree["init"] = {"name": "gaussian"}
    tree["protocol"]["also"] = []  # further tests of this run: no reason to test the other
    if init.parent.get("model", {}).get("name", config.model.name) != config.model.name:
        tree["model"] |= {"blocks": [], "layers": 0}  # its table is that of its name, not ours
    changes = _merged(_USUALLY[init.name], init.parent)
    if changes.get("data", {}).get("name", config.data.name) != config.data.name:
        del tree["data"]  # another data set has other fields
    try:
        return parse(_merged(tree, changes))
    except ConfigError as error:
        raise ConfigError(f"init.parent.{error}") from error


def ancestors(config: Config) -> list[Config]:
    """The parent, its parent, and so on; empty for a run that draws its weights.

    Raises:
        ConfigError: as ``parent_of``.
    """
    found: list[Config] = []
    parent = parent_of(config)
    while parent is not None:
        found.append(parent)
        parent = parent_of(parent)  # ends: each has a smaller tree of changes
    return found


def _merged(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``tree`` with the leaves of ``changes`` in place of its own."""
    merged = dict(tree)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged
