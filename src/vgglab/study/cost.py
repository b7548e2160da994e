"""Costs of each arm: size of its net and measured speed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from vgglab.study.arms import Arm, arms
from vgglab.study.estimate import Estimate, estimate
from vgglab.study.table import STEP_PARTS, ResultRow, result_rows
from vgglab.study.view import StudyView, once_a_view


@dataclass(frozen=True)
class Cost:
    """Costs of one arm; measured values are over the seeds that trained and have them, or over all
    that have them where none trained."""

    arm: Arm
    parameters: int | None
    macs: int | None
    """Multiply-accumulates for one image."""
    activations_all: int | None
    step_ms: Estimate | None
    step_parts: Mapping[str, Estimate | None]
    """``STEP_PARTS`` -> milliseconds."""
    images_per_second: Estimate | None
    mfu: Estimate | None
    """Percent."""
    peak_memory_mib: Estimate | None
    train_seconds: Estimate | None


def _analytic(rows: list[ResultRow], name: str) -> int | None:
    """A value that follows from the net alone: the first row that knows it."""
    return next((v for row in rows if (v := getattr(row, name)) is not None), None)


def _measured(rows: list[ResultRow], name: str) -> Estimate | None:
    return estimate(v for row in rows if (v := getattr(row, name)) is not None)


@once_a_view
def costs(view: StudyView) -> tuple[Cost, ...]:
    """One an arm of which anything is known, in the order of the arms."""
    arm_of = arms(view)
    members: dict[Arm, dict[str, ResultRow]] = defaultdict(dict)
    trained: set[str] = set()
    for row in result_rows(view):
        members[arm_of[row.run]][row.run] = row  # once a run, whatever its protocols
        trained |= {row.run} if row.trained else set()
    found: list[Cost] = []
    for arm, by_run in sorted(members.items()):
        rows = list(by_run.values())
        timed = [row for row in rows if row.run in trained] or rows
        found.append(
            Cost(
                arm=arm,
                parameters=_analytic(rows, "parameters"),
                macs=_analytic(rows, "macs"),
                activations_all=_analytic(rows, "activations_all"),
                step_ms=_measured(timed, "step_ms"),
                step_parts={part: _measured(timed, part) for part in STEP_PARTS},
                images_per_second=_measured(timed, "images_per_second"),
                mfu=_measured(timed, "mfu"),
                peak_memory_mib=_measured(timed, "peak_memory_mib"),
                train_seconds=_measured(timed, "train_seconds"),
            )
        )
    return tuple(c for c in found if c.parameters is not None or c.step_ms is not None)
