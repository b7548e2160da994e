"""Tuning alike: each net of a study has the setting of lowest validation error among the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vgglab.config import Config, arm_fields

Values = tuple[tuple[str, Any], ...]
"""Fields with their values, hashable."""


def net_of(config: Config, tuned: Sequence[str]) -> Values:
    """What the points of a net share, however it is tuned and under any seed."""
    return tuple(sorted((k, v) for k, v in arm_fields(config).items() if k not in tuned))


@dataclass(frozen=True)
class Candidate:
    """A net with a setting, and what became of its tuning runs."""

    net: Values
    """Of ``net_of``."""
    setting: Values
    """The tuned fields."""
    errors: Mapping[int, float | None]
    """Tuning seed -> lowest validation error, percent, that of guessing where the net did not
    train; None while the run has no outcome."""

    @property
    def error(self) -> float:
        """Mean over the tuning seeds, percent; infinite while one is missing."""
        known = [error for error in self.errors.values() if error is not None]
        return sum(known) / len(known) if len(known) == len(self.errors) else float("inf")


@dataclass(frozen=True)
class Tuning:
    """The candidates of a study, in the order in which equal ones are preferred."""

    candidates: Sequence[Candidate]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that nets are tuned in."""
        return tuple(name for name, _ in self.candidates[0].setting)

    @property
    def is_complete(self) -> bool:
        """Whether every tuning run has an outcome."""
        return all(None not in candidate.errors.values() for candidate in self.candidates)

    @cached_property
    def chosen(self) -> dict[Values, Values]:
        """Net -> its setting of lowest mean validation error, the first of equal ones.

        Empty until every tuning run has an outcome.
        """
        best: dict[Values, Candidate] = {}
        for candidate in self.candidates if self.is_complete else ():
            known = best.setdefault(candidate.net, candidate)
            if candidate.error < known.error:
                best[candidate.net] = candidate
        return {net: candidate.setting for net, candidate in best.items()}

    @cached_property
    def one_for_all(self) -> Values:
        """The setting of lowest mean over all nets; empty until every tuning run has an outcome."""
        if not self.is_complete:
            return ()
        totals: dict[Values, float] = {}
        for candidate in self.candidates:
            totals[candidate.setting] = totals.get(candidate.setting, 0.0) + candidate.error
        return min(totals, key=lambda setting: totals[setting])
