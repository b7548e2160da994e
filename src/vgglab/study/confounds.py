"""Guard against confounds: what differs between points without the study saying that it varies it.

A difference between two nets is the net's only if nothing else differs. Each field in which points
differ is *scientific* (the study asks about it), *nuisance* (allowed to differ, the reader is told)
or undeclared: a confound until somebody says otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

SEED = "seed"
MOST_VALUES = 4
"""Most values of a field that a message lists."""

UNKNOWN = "unknown"
"""Value of a field of a point that has not been computed yet: differs from nothing."""

Fields = Mapping[str, Any]
"""Field -> value of one point: everything that decides its numbers, seed and code included."""


class Declaration(StrEnum):
    """A study's word on a field."""

    SCIENTIFIC = "scientific"
    NUISANCE = "nuisance"
    NONE = "undeclared"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Fields, or groups of fields, that a study may vary. ``norm`` stands for ``norm.*``."""

    scientific: tuple[str, ...] = ()
    nuisance: tuple[str, ...] = (SEED,)
    tied: tuple[str, ...] = ()
    """What moves with something scientific; only a longer name makes a field of it scientific."""

    def of(self, field: str) -> Declaration:
        """The study's word on a field; scientific where it says both."""
        tied = max((len(name) for name in self.tied if is_covered(field, [name])), default=-1)
        if is_covered(field, [name for name in self.scientific if len(name) > tied]):
            return Declaration.SCIENTIFIC
        return Declaration.NUISANCE if is_covered(field, self.nuisance) else Declaration.NONE

    def check(self, known: Iterable[str]) -> None:
        """Refuse a declaration of something that no point has.

        Raises:
            ValueError: names it and what is close to it.
        """
        fields = sorted(set(known) | {SEED})
        prefixes = {field[:i] for field in fields for i, c in enumerate(field) if c == "."}
        for name in ("scientific", "nuisance"):
            for declared in getattr(self, name):
                if declared not in prefixes and declared not in fields:
                    close = get_close_matches(declared, [*fields, *prefixes], n=1)
                    hint = f"; did you mean {close[0]}?" if close else ""
                    raise ValueError(f"study.{name} = {declared}: no point has it{hint}")


def is_covered(field: str, declared: Iterable[str]) -> bool:
    """Whether a field is declared, by its name or by that of a group it is in."""
    return any(field == name or field.startswith(f"{name}.") for name in declared)


@dataclass(frozen=True, kw_only=True)
class FieldDifference:
    """A field in which points of a study differ."""

    field: str
    declaration: Declaration
    points: Mapping[Any, tuple[str, ...]]
    """Value -> ids of the points that have it; None: those have no such field."""
    tied_to: str = ""
    """A scientific field that decides this one's value: their effects cannot be told apart."""
    tied_values: Mapping[Any, tuple[Any, ...]]
    """Value -> the values of ``tied_to`` at which it occurs."""

    def __str__(self) -> str:
        """``recipe.learning_rate: 0.1 (norm.name batch), 0.01 (norm.name none)``."""
        parts = [f"{value} ({self._where(value)})" for value in list(self.points)[:MOST_VALUES]]
        more = len(self.points) - len(parts)
        return f"{self.field}: {', '.join(parts)}" + (f" and {more} more values" if more else "")

    def _where(self, value: Any) -> str:
        if self.tied_to:
            return f"{self.tied_to} {' '.join(map(str, self.tied_values[value]))}"
        first, *others = self.points[value]
        return f"{first} and {len(others)} more" if others else first


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The differences between a study's points, and whether it may be launched with them."""

    declared: Declared
    differences: tuple[FieldDifference, ...]
    allowed: bool = False
    """``study.allow_confounds``."""

    def declared_as(self, declaration: Declaration) -> tuple[FieldDifference, ...]:
        """The differences that the study declares so."""
        return tuple(d for d in self.differences if d.declaration is declaration)

    @property
    def confounds(self) -> tuple[FieldDifference, ...]:
        """The differences that the study does not declare."""
        return self.declared_as(Declaration.NONE)

    @property
    def complaint(self) -> str:
        """One line that lists the confounds; empty where there are none."""
        if not self.confounds:
            return ""
        return f"points differ in what the study does not declare: {self.listed}"

    @property
    def listed(self) -> str:
        """The confounds, in one line."""
        return "; ".join(map(str, self.confounds))


def compare(points: Mapping[str, Fields], declared: Declared, *, allowed: bool = False) -> Guard:
    """Compare all points of a study, field by field.

    Args:
        points: id -> its fields.
        declared: what the study says that it varies.
        allowed: go on in spite of confounds.
    """
    values = _differing(points)
    scientific = [name for name in values if declared.of(name) is Declaration.SCIENTIFIC]
    found = []
    for name, by_value in sorted(values.items()):
        declaration = declared.of(name)
        # That a scientific field goes with another is the study's own business.
        others = [] if declaration is Declaration.SCIENTIFIC else scientific
        tied_to, tied_values = _tie(name, others, points)
        found.append(
            FieldDifference(
                field=name,
                declaration=declaration,
                points=by_value,
                tied_to=tied_to,
                tied_values=tied_values,
            )
        )
    return Guard(declared=declared, differences=tuple(found), allowed=allowed)


def _differing(points: Mapping[str, Fields]) -> dict[str, dict[Any, tuple[str, ...]]]:
    """Field -> value -> points, of the fields that have more than one value."""
    names = {name for fields in points.values() for name in fields}
    found = {}
    for name in sorted(names):
        by_value: dict[Any, list[str]] = defaultdict(list)
        for point, fields in points.items():
            if fields.get(name) != UNKNOWN:
                by_value[fields.get(name)].append(point)
        if len(by_value) > 1:
            found[name] = {value: tuple(ids) for value, ids in by_value.items()}
    return found


def _tie(
    field: str, others: Sequence[str], points: Mapping[str, Fields]
) -> tuple[str, dict[Any, tuple[Any, ...]]]:
    """The first of ``others`` whose value decides the field's, and how."""
    for other in others:
        at: dict[Any, set[Any]] = defaultdict(set)
        for fields in points.values():
            if fields.get(field) != UNKNOWN:
                at[fields.get(other)].add(fields.get(field))
        if all(len(values) == 1 for values in at.values()):
            tied: dict[Any, list[Any]] = defaultdict(list)
            for other_value, (value,) in at.items():
                tied[value].append(other_value)
            return other, {value: tuple(by) for value, by in tied.items()}
    return "", {}


def grid_keys(grid: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Keys of the overrides that take more than one value over the points of a grid.

    A key of a group (``norm``) stands for the fields below it and for no other group's: what a
    choice changes elsewhere has to be declared.
    """
    values: dict[str, set[str]] = defaultdict(set)
    for overrides in grid:
        for key, value in dict(map(_key_and_value, overrides)).items():  # the last of a key counts
            values[key].add(value)
    return tuple(sorted(key for key, found in values.items() if len(found) > 1))


def free_keys(
    grid: Iterable[Sequence[str]], keys: Collection[str], declared: Declared
) -> tuple[str, ...]:
    """Keys of a grid whose effects it can tell apart; a study asks about them without a word.

    Where two keys move together (``study.design=zip``), the first counts and the other one has to
    be declared: by itself the grid does not say which of them is asked about.

    Args:
        grid: overrides of each point.
        keys: those that take more than one value, without the seed.
        declared: what the study says that it varies.
    """
    points = [dict(map(_key_and_value, overrides)) for overrides in grid]
    in_order = [key for key in dict.fromkeys(k for point in points for k in point) if key in keys]
    asked, nuisance = (_declared(keys, n) for n in (declared.scientific, declared.nuisance))
    free: list[str] = []
    # What the study asks about comes first, its nuisances last.
    for key in sorted(in_order, key=lambda k: (k not in asked, k in nuisance)):
        if key in asked or not any(_decides(other, key, points) for other in free):
            free.append(key)
    return tuple(free)


def _declared(keys: Collection[str], names: Iterable[str]) -> set[str]:
    """The keys of a grid that a declaration is about: by name, by group, or by what they set."""
    found: set[str] = set()
    for name in names:
        found |= {key for key in keys if is_covered(key, [name])}
        found |= {max((key for key in keys if is_covered(name, [key])), key=len, default="")}
    return found


def _decides(one: str, other: str, points: Iterable[Mapping[str, str]]) -> bool:
    """Whether the value of one key leaves the other one only one value."""
    at: dict[str | None, set[str | None]] = defaultdict(set)
    for point in points:
        at[point.get(one)].add(point.get(other))
    return all(len(values) == 1 for values in at.values())


def _key_and_value(override: str) -> tuple[str, str]:
    key, _, value = override.lstrip("+").partition("=")
    return key.partition("@")[0].replace("/", "."), value
