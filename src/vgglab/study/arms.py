"""An arm of a study: everything that its seeds repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Arm:
    """Points that differ in their seed only."""

    model: str
    norm: str
    init: str
    variant: str = ""
    """``field=value, ...`` where model, norm and init do not tell the arms apart."""

    def __lt__(self, other: Arm) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[Any, ...]:
        # The paper's nets have no batch norm: they come first.
        return (self.model, self.norm != "none", self.norm, self.init, self.variant)

    def differs_from(self, other: Arm) -> tuple[str, ...]:
        """Names of the factors in which two arms differ."""
        names = ("model", "norm", "init", "variant")
        return tuple(name for name in names if getattr(self, name) != getattr(other, name))
