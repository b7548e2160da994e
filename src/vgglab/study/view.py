"""A study is a view over runs: the points that were asked for, and what is on disk of each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vgglab.config import Config
from vgglab.config.claims import Claims
from vgglab.runs import Result, RunRecord, State
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.confounds import Guard
from vgglab.study.declared import DeclaredLine
from vgglab.study.ledger import LookLine
from vgglab.study.tuning import Tuning

Found = TypeVar("Found")


def once_a_view(compute: Callable[[StudyView], Found]) -> Callable[[StudyView], Found]:
    """Decorate a function of a view alone, which tables, figures and claims all ask for, so that
    it is computed once. Nobody changes what it returns."""

    @functools.wraps(compute)
    def remembered(view: StudyView) -> Found:
        if compute not in view.known:
            view.known[compute] = compute(view)
        found: Found = view.known[compute]
        return found

    return remembered


@dataclass(frozen=True)
class MissingPoint:
    """A point that was asked for and has no run directory yet."""

    id: str
    config: Config
    """Fully resolved."""
    is_needed: bool = True
    """False once the study can do without it: every claim that its net is part of has its word."""

    @property
    def state(self) -> State:
        return State.PENDING if self.is_needed else State.UNNEEDED

    @property
    def result(self) -> Result:
        """Empty: there is none."""
        return {}


@dataclass(frozen=True, kw_only=True)
class StudyView:
    """All points of a study, with or without a result."""

    name: str
    asks: str
    """The question, in a sentence."""
    paper: str
    """What the paper found, in a sentence."""
    runs: Sequence[RunRecord]
    missing: Sequence[MissingPoint] = ()
    guard: Guard | None = None
    """Differences between the points; None where they have not been compared."""
    design: str = "grid"
    """How its points are made of the values that its sweep lists: ``study.design``."""
    claims: Claims = field(default_factory=dict)
    """Claims that the study is to support or contradict, by name."""
    looks: tuple[int, ...] = ()
    """Declared numbers of seeds at which it is judged, ascending; empty: none declared."""
    complete: int = 0
    """Declared looks that are complete, as ``study/looking.py`` finds."""
    placebo: Sequence[RunRecord | MissingPoint] = ()
    """The null arm: a net of the study under other seeds. No table, claim or guard sees it."""
    tuning: Tuning | None = None
    """How its nets were tuned; None: they were not."""
    control: Sequence[RunRecord | MissingPoint] = ()
    """Every point with the one setting that is best over all nets, in place of its net's own. No
    table and no claim of the study itself sees them."""
    ledger: Sequence[LookLine] = ()
    """Earlier lines of ``looks.jsonl``."""
    control_ledger: Sequence[LookLine] = ()
    """Earlier lines of ``looks_control.jsonl``: the looks at the control runs' words."""
    declared: Sequence[DeclaredLine] = ()
    """Lines of ``declared.jsonl``."""
    reader: MistakesReader = field(default_factory=MistakesReader, repr=False, compare=False)
    """Has read each run's predictions once, however often the study is judged."""

    known: dict[Callable[[StudyView], Any], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What ``once_a_view`` has computed; a changed copy of the view begins with nothing."""

    @property
    def points(self) -> tuple[RunRecord | MissingPoint, ...]:
        """Every point asked for."""
        return (*self.runs, *self.missing)

    @property
    def unneeded(self) -> set[str]:
        """Ids of the points that the study has dropped."""
        return {point.id for point in self.missing if not point.is_needed}
