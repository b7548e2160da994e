"""The arms of a study: runs that differ in their seed alone, and what tells arms apart."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vgglab.config import arm_fields
from vgglab.study.view import StudyView, once_a_view

FACTORS = ("model.name", "model.layers", "norm.name", "init.name")
"""Fields that an arm is named after."""


def norm_order(norm: str) -> tuple[bool, str]:
    """Sorts norms by name, after none: the paper's nets have no batch norm and come first."""
    return norm != "none", norm


@dataclass(frozen=True)
class Arm:
    """Points that differ in their seed only."""

    model: str
    norm: str
    init: str
    variant: str = ""
    """``field=value, ...`` where model, norm and init do not tell the arms apart."""
    differs: str = field(default="", compare=False)
    """What sets its net apart from the plain family, as a clause; empty: nothing."""

    def without(self, name: str) -> Arm:
        """The same, without a field in its variant."""
        parts = re.split(r", (?=[a-z][a-z_.0-9]*=)", self.variant)
        kept = [part for part in parts if not part.startswith(f"{name}=")]
        return replace(self, variant=", ".join(kept))

    def __lt__(self, other: Arm) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[Any, ...]:
        model, variant = _by_number(self.model), _by_number(self.variant)
        return (model, norm_order(self.norm), self.init, variant)


def _by_number(text: str) -> tuple[str | float, ...]:
    """Sorts plain-9 before plain-11: the numbers in a text are taken as numbers."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)  # every other part is a number
    return tuple(float(part) if index % 2 else part for index, part in enumerate(parts))


@once_a_view
def arms(view: StudyView) -> dict[str, Arm]:
    """Point id -> the arm that its seed repeats."""
    variant = _variants(view)
    return {
        point.id: Arm(
            model=point.config.model.full_name,
            norm=point.config.norm.name,
            init=point.config.init.name,
            variant=variant[point.id],
            differs=point.config.model.net.differs,
        )
        for point in view.points
    }


def _variants(view: StudyView) -> dict[str, str]:
    """Point id -> the fields that tell it from others of equal model, norm and init.

    Empty where seeds are all that is repeated. Without it a sweep over, say, the width would pool
    different nets into one mean.
    """
    fields = {point.id: arm_fields(point.config) for point in view.points}
    telling = distinguishing(list(fields.values()), FACTORS)
    return {
        point_id: ", ".join(f"{name}={values.get(name)}" for name in telling)
        for point_id, values in fields.items()
    }


def distinguishing(fields: Iterable[Mapping[str, Any]], factors: Iterable[str] = ()) -> list[str]:
    """The fewest fields, names before values, that with the factors tell all items apart."""
    items, known = list(fields), list(factors)
    names = {name for values in items for name in values} - set(known)
    kept: list[str] = []
    count = _count_groups(items, known)
    for name in sorted(names, key=lambda n: (not n.endswith(".name"), n)):
        # A field that splits nothing further follows from those before it, or from the factors.
        finer = _count_groups(items, [*known, *kept, name])
        if finer > count:
            kept, count = [*kept, name], finer
    return kept


def leave_out_tables(fields: Collection[dict[str, Any]]) -> None:
    """Take the nets' tables out of points' fields where they follow from the nets' names, so that
    a study or a claim that names the nets need not name their tables."""
    tables = {(values.get("model.name"), values.get("model.blocks")) for values in fields}
    if len(tables) == len({name for name, _ in tables}):
        for values in fields:
            values.pop("model.blocks", None)


def _count_groups(items: Iterable[Mapping[str, Any]], names: Iterable[str]) -> int:
    """The number of distinct combinations of values of these fields."""
    chosen = list(names)
    return len({tuple(repr(values.get(n)) for n in chosen) for values in items})


def values_by_arm(view: StudyView) -> dict[str, dict[Any, list[Arm]]]:
    """Field -> value -> arms that have it, for every field that decides what a run computes.

    A field with two values here differs between arms: a possible cause of their difference that
    is not the one in their names. Factors are left out.
    """
    arm_of = arms(view)
    found: dict[str, dict[Any, set[Arm]]] = defaultdict(lambda: defaultdict(set))
    for point in view.points:
        for name, value in arm_fields(point.config).items():
            if name not in (*FACTORS, "model.blocks"):  # what the net's name stands for
                found[name][value].add(arm_of[point.id])
    return {
        name: {value: sorted(members) for value, members in by_value.items()}
        for name, by_value in found.items()
    }
