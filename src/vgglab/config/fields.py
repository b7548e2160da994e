"""Who a config field is for, and the one way a config dataclass is declared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field


class Role(StrEnum):
    """What a field is to an ablation. Everything but infrastructure is part of a run's identity."""

    SCIENTIFIC = "scientific"  # what a study varies and asks about
    NUISANCE = "nuisance"  # may have to be tuned for each point to make the question fair
    FIXED = "fixed"  # changes the result, but no study of ours asks about it
    INFRASTRUCTURE = "infrastructure"  # where and how fast, never what: not part of the identity


@dataclasses.dataclass(frozen=True)
class Since:
    """Marks a semantic field that was added when finished runs existed already.

    At the value ``before`` a run computes what it computed without the field; the value is left out
    of the hash, so that those runs keep their ids, and stands in for the field in their files.
    """

    date: str
    before: Any


STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
ImageSize = Annotated[int, Field(ge=32, le=1024)]


def role_of(hint: Any) -> Role | None:
    """The role written into an ``Annotated`` hint, if any."""
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, Role):
                return extra
    return None


def since_of(hint: Any) -> Since | None:
    """The date at which a field was added, and its value before, if the hint says so."""
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, Since):
                return extra
    return None


def roles(config: Any) -> Iterator[tuple[str, Role | None, Any]]:
    """``(name, role, value)`` of each field of a config dataclass instance."""
    hints = get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        yield field.name, role_of(hints[field.name]), getattr(config, field.name)
