"""The sides of a comparison, and the order along which they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgglab.config.claims import PROTOCOL, Claim
from vgglab.study.claims.tested import Point

LAYERS = "weight layers"
"""The order of nets that differ in depth."""
OF_DEPTH = frozenset({"model.name", "model.layers", "model.blocks"})
"""Fields that give a net its weight layers."""


@dataclass(frozen=True)
class Side:
    """The runs on one side of a comparison."""

    fields: Mapping[str, Any]
    """Values of the fields that the claim names, and of those that may differ besides."""
    protocol: str
    """Label of the test that is compared, as in ``result.json``."""
    nets: tuple[Mapping[int, Point], ...]
    """Seed -> point, for each combination of values that is averaged over."""


def named_fields(claim: Claim) -> set[str]:
    """Fields by which a claim tells its sides apart."""
    found: set[str] = set()
    for side in claim.compare:
        for path, wanted in side.items():
            if path != PROTOCOL:
                found.add(path)
            if isinstance(wanted, Mapping):
                found |= {v for v in wanted.values() if isinstance(v, str)}
    return found


def order_of(claim: Claim, sides: Sequence[Side]) -> tuple[float, ...] | None:
    """Weight layers where the sides are nets, the field's value where one with numbers tells them
    apart.

    Returns:
        None where they have no order: they differ in several fields, in one without numbers, or
        all are nets of one depth.
    """
    fields = [side.fields for side in sides]
    named = named_fields(claim)  # what may differ besides is no order
    telling = {n for n in fields[0] if n in named and len({repr(f.get(n)) for f in fields}) > 1}
    found: list[float] = []
    if telling and telling <= OF_DEPTH:
        found = [_weight_layers(side) for side in sides]
    elif len(telling) == 1:
        (name,) = telling
        values = [f.get(name) for f in fields]
        found = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    has_order = len(found) == len(sides) and len(set(found)) > 1
    return tuple(found) if has_order else None


def places_of(claim: Claim, sides: Sequence[Side]) -> tuple[float, ...]:
    """Where the sides stand: along their order, upwards or downwards; where they have none, or the
    claim names them in another, by their number. A claim on the best may name them in any."""
    found = order_of(claim, sides)
    if found is not None:
        ascending = sorted(found)
        if claim.best or list(found) in (ascending, ascending[::-1]):
            return found
    return tuple(float(place) for place in range(len(sides)))


def _weight_layers(side: Side) -> float:
    points = [point for net in side.nets for point in net.values()]
    return float(points[0].config.model.net.weight_layers) if points else 0.0
