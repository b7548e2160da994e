"""What has shifted from one study to another, corrected for all that is asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.inference import ALPHA, holm, holm_levels


class Word(StrEnum):
    """What is said of a shift."""

    MOVED = "moved"
    NOISE = "within noise"
    SHARED = "shared"
    """Both studies have the very same runs: no evidence."""
    OPEN = "not tested"


@dataclass(frozen=True)
class Shift:
    """A difference between two studies, the later less the earlier, and whether it is noise."""

    word: Word
    why: str = ""
    """Why nothing was tested; empty where it was."""
    difference: float | None = None
    """Percentage points; None of shares of runs that trained."""
    interval: tuple[float, float] | None = None
    """At the level that decides: without zero where it moved, and only there."""
    pairs: int = 0
    """Seeds that are compared with themselves; 0: the two sides have runs of their own."""
    p_value: float | None = None
    p_holm: float | None = None
    """Corrected for all shifts of the two studies that are tested."""


@dataclass(frozen=True)
class Draft:
    """A shift before it is corrected for the others."""

    measured: Measured | None = None
    p_value: float | None = None
    """None: nothing is tested."""
    factor: float = 1.0
    """Differences among which this one was picked."""
    word: Word = Word.OPEN
    """Where nothing is tested."""
    why: str = ""


def draft(measured: Measured | None, factor: float = 1.0) -> Draft:
    """The two-sided test of "no shift".

    Args:
        measured: the shift; None: a side has no run that trained.
        factor: differences among which it was picked.
    """
    if measured is None:
        return Draft(why="no run that trained")
    if measured.seeds < 2:
        return Draft(measured, why="one seed")
    p = 2 * factor * min(measured.p_below(0.0), measured.p_above(0.0))
    return Draft(measured, min(1.0, p), factor)


def settled(drafts: Sequence[Draft]) -> list[Shift]:
    """The shifts in their order: those that are tested, corrected for each other (Holm 1979)."""
    tested = [d.p_value for d in drafts if d.p_value is not None]
    p_values = np.array(tested, dtype=np.float64)
    corrected = zip(holm(p_values), holm_levels(p_values), strict=True) if tested else iter(())
    found: list[Shift] = []
    for each in drafts:
        measured = each.measured
        mean = measured.mean if measured else None
        if each.p_value is None:
            found.append(Shift(each.word, each.why, mean))
            continue
        adjusted, level = next(corrected)
        tail = float(level) / each.factor / 2
        found.append(
            Shift(
                word=Word.MOVED if adjusted <= ALPHA else Word.NOISE,
                difference=mean,
                interval=measured.interval_of(tail, tail) if measured else None,
                pairs=len(measured.by_seed) if measured and len(measured.groups) == 1 else 0,
                p_value=each.p_value,
                p_holm=float(adjusted),
            )
        )
    return found
