"""The comparison of a study's points as ``study.json`` keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vgglab.study.confounds import Declaration, Declared, FieldDifference, Guard

_DECLARED = ("scientific", "nuisance", "tied")


def plain_guard(guard: Guard) -> dict[str, Any]:
    """Plain values for JSON; a mapping by values, which need not be text, is a list of pairs."""
    return {
        **{name: list(getattr(guard.declared, name)) for name in _DECLARED},
        "allowed": guard.allowed,
        "differences": [
            {
                "field": found.field,
                "declaration": str(found.declaration),
                "points": _pairs(found.points),
                "tied_to": found.tied_to,
                "tied_values": _pairs(found.tied_values),
            }
            for found in guard.differences
        ],
    }


def read_guard(stored: Mapping[str, Any]) -> Guard:
    """The guard that ``plain_guard`` made plain."""
    return Guard(
        declared=Declared(**{name: tuple(stored[name]) for name in _DECLARED}),
        allowed=stored["allowed"],
        differences=tuple(
            FieldDifference(
                field=found["field"],
                declaration=Declaration(found["declaration"]),
                points=dict(as_tuples(found["points"])),
                tied_to=found["tied_to"],
                tied_values=dict(as_tuples(found["tied_values"])),
            )
            for found in stored["differences"]
        ),
    )


def _pairs(by_value: Mapping[Any, Sequence[Any]]) -> list[list[Any]]:
    return [[value, list(found)] for value, found in by_value.items()]


def as_tuples(value: Any) -> Any:
    """A value from JSON as a config has it, hashable: lists are tuples."""
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value
