"""Who a config field is for, and the one way a config dataclass is declared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field


class Role(StrEnum):
    """The part that a field plays in an ablation; a run's identity is derived from it."""

    SCIENTIFIC = "scientific"  # what a study varies and asks about
    NUISANCE = "nuisance"  # may have to be tuned for each point to make the question fair
    FIXED = "fixed"  # changes the result, but no study of ours asks about it
    DIVISION = "division"  # how a step is divided; part of the identity where that changes numbers
    INFRASTRUCTURE = "infrastructure"  # where and how fast, never what: not part of the identity

    @property
    def is_semantic(self) -> bool:
        """Whether every value of such a field decides what a run computes."""
        return self in (Role.SCIENTIFIC, Role.NUISANCE, Role.FIXED)


@dataclasses.dataclass(frozen=True)
class Since:
    """Marks a semantic field that was added when finished runs existed already.

    At the value ``before`` a run computes what it computed without the field; the value is left out
    of the hash, so that those runs keep their ids, and stands in for the field in their files.
    """

    date: str
    before: Any = None
    is_before: Callable[[Any], bool] | None = None
    """Of a field whose value of before depends on the others: whether this owner has it. In files
    without the field its dataclass then fills it in."""

    def leaves_out(self, owner: Any, value: Any) -> bool:
        """Whether the field's value is left out of its owner's hash."""
        return self.is_before(owner) if self.is_before else bool(value == self.before)


STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
ImageSize = Annotated[int, Field(ge=32, le=1024)]


Mark = TypeVar("Mark", Role, Since)


def mark_of(hint: Any, kind: type[Mark]) -> Mark | None:
    """The mark of a kind that is written into an ``Annotated`` hint; None where there is none."""
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, kind):
                return extra
    return None


@dataclasses.dataclass(frozen=True)
class FieldMarks:
    """A field of a config dataclass, with what its annotation says of it."""

    name: str
    role: Role | None
    """None of a group of fields that have roles of their own."""
    since: Since | None


_KNOWN: dict[type, tuple[FieldMarks, ...]] = {}


def marks_of(schema: type) -> tuple[FieldMarks, ...]:
    """The fields of a config dataclass, in their order; resolved once a class."""
    if schema not in _KNOWN:
        hints = get_type_hints(schema, include_extras=True)
        _KNOWN[schema] = tuple(
            FieldMarks(f.name, mark_of(hints[f.name], Role), mark_of(hints[f.name], Since))
            for f in dataclasses.fields(schema)
        )
    return _KNOWN[schema]
