"""Config fields whose value names a row of a registry."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _checked_name(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,39}", value):
        return value
    raise PydanticCustomError(
        "name", "Input should be a name of at most 40 lower-case letters, digits and _"
    )


OWN_NAME = BeforeValidator(_checked_name)
"""Accepts what a user may call a thing of their own; it becomes part of folders' names."""


def listed(names: Collection[str]) -> str:
    """``'a', 'b' or 'c'``, as pydantic lists what a ``Literal`` allows."""
    *others, last = (repr(name) for name in names)
    return f"{', '.join(others)} or {last}" if others else last


def named_once(labels: Sequence[str], separator: str = ", ") -> str:
    """``A, B, D``; of labels that begin alike, ``model.layers 9, 11, 13``."""
    parts = [label.rpartition(" ") for label in labels]
    heads = {head for head, _, _ in parts}
    if len(parts) > 1 and len(heads) == 1 and (head := heads.pop()):
        return f"{head} {separator.join(last for _, _, last in parts)}"
    return separator.join(labels)


def one_of(names: Collection[str]) -> BeforeValidator:
    """Accepts the names that are in a registry when the value is checked.

    The message is that of a ``Literal``, so that ``parse`` names the field and the value.
    """

    def check(value: Any) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise PydanticCustomError("name", "Input should be {allowed}", {"allowed": listed(names)})

    return BeforeValidator(check)
