"""The looks of a study on disk: its ledger, its declarations, its null arm, what it trains next."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgglab.config.parse import ConfigError
from vgglab.runs import RunRecord, load_run
from vgglab.runs.identity import canonical_json
from vgglab.runs.lines import append_lines
from vgglab.study import MissingPoint, StudyView
from vgglab.study.claims.looks import seeds_looked_at, seeds_of_look
from vgglab.study.claims.wanted import wanted
from vgglab.study.declared import DeclaredLine, plain_claims
from vgglab.study.ledger import LookLine, lines_to_add, look_line, plain_line
from vgglab.study.looking import look_lines, minutes_by_look, runs_seen
from vgglab.study.placebo import SHIFT, reference_points
from vgglab.study.stored import (
    CONTROL_LEDGER,
    DECLARED,
    LEDGER,
    read_control_ledger,
    read_declared,
    read_ledger,
    write_study,
)
from vgglab.study.tuning_record import control_of
from vgglab.workflow.points import StudyPoint, with_values
from vgglab.workflow.provenance import commit


def refuse_few_seeds(points: Sequence[StudyPoint]) -> None:
    """Let a study be looked at only as often as its grid has seeds for.

    Raises:
        ConfigError: its last look wants more seeds, or its null arm would be its own points.
    """
    study = points[0].config.study
    seeds = {point.config.seed for point in points}
    if study.looks and len(seeds) < study.looks[-1]:
        raise ConfigError(
            f"study.looks = {list(study.looks)}: the last look needs {study.looks[-1]} seeds and "
            f"the grid has {len(seeds)}; ask for seed=range({study.looks[-1]}), or for fewer looks"
        )
    if study.placebo and (own := seeds & {seed + SHIFT for seed in seeds}):
        raise ConfigError(
            f"study.placebo = true: the null arm has the seeds of the grid plus {SHIFT}, and seed "
            f"{min(own)} is the grid's own; use seeds that lie less than {SHIFT} apart"
        )


def null_arm(points: Sequence[StudyPoint], view: StudyView) -> list[StudyPoint]:
    """The points of the net that most claims compare, under other seeds; none if not asked for."""
    if not points[0].config.study.placebo:
        return []
    by_id = {point.directory.id: point for point in points}
    reference = [by_id[point.id] for point in reference_points(view)]
    return [with_values(point, {"seed": point.config.seed + SHIFT}) for point in reference]


def null_arm_to_come(points: Sequence[StudyPoint], view: StudyView) -> list[StudyPoint]:
    """The points of the null arm that a study may still train: where it is over, at the seeds that
    it has looked at."""
    null = null_arm(points, view)
    if not view.looks or wanted(view):
        return null
    seeds = {seed + SHIFT for seed in seeds_looked_at(view)}
    return [point for point in null if point.config.seed in seeds]


def record_of(point: StudyPoint) -> RunRecord | MissingPoint:
    """What there is of a point's run."""
    if point.directory.config.exists():
        return load_run(point.directory.path, planned=point.config)
    return MissingPoint(point.directory.id, point.config)


def declare(view: StudyView, folder: Path) -> StudyView:
    """Write down what a study is, and what it asks unless that is what it asked last.

    Returns:
        The study with its declarations.
    """
    claims = plain_claims(view.claims)
    content = canonical_json({"looks": list(view.looks), "claims": claims})
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]

    def following(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if known and known[-1]["hash"] == digest:
            return []
        line = DeclaredLine(
            time=time.time(),
            commit=commit(),
            hash=digest,
            looks=view.looks,
            claims=claims,
            runs_seen=runs_seen(view),
        )
        return [dataclasses.asdict(line)]

    write_study(view, folder)
    append_lines(folder / DECLARED, following)
    return dataclasses.replace(view, declared=read_declared(folder))


def note_looks(view: StudyView, folder: Path) -> StudyView:
    """Enter the looks that are complete into the ledger, each once; those at control runs, which
    get words of their own, into theirs.

    Returns:
        The study with its ledgers.
    """
    _enter(look_lines(view, time.time()), folder / LEDGER)
    if view.control:
        _enter(look_lines(control_of(view), time.time()), folder / CONTROL_LEDGER)
    return dataclasses.replace(
        view, ledger=read_ledger(folder), control_ledger=read_control_ledger(folder)
    )


def _enter(found: list[LookLine], path: Path) -> None:
    def following(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
        added = lines_to_add([look_line(line) for line in known], found)
        return [plain_line(line) for line in added]

    if found:
        append_lines(path, following)


def is_over_budget(view: StudyView, minutes: float) -> bool:
    """Whether the complete looks of a study have taken the minutes that it may take."""
    return bool(minutes and view.complete and sum(minutes_by_look(view)) >= minutes)


def next_points(
    points: Sequence[StudyPoint],
    view: StudyView,
    *,
    null: Sequence[StudyPoint] = (),
    control: Sequence[StudyPoint] = (),
) -> list[StudyPoint]:
    """The points that a study wants trained or tested now: all of them without declared looks.

    Args:
        points: of the study.
        view: the same, from ``view_of``.
        null: points of its null arm.
        control: each point with the setting that all nets share; empty: the study has none.

    Returns:
        They are of one look; none where the study is over.
    """
    own = _next_of_the_study(points, view, null)
    ids = {point.directory.id for point in own}
    # A net that was dropped, or is not reached yet, is not trained with another setting either.
    others = [
        other
        for point, other in zip(points, control, strict=bool(control))
        if other.directory.id not in ids and not other.is_done
        if point.directory.id in ids or point.directory.read_status().state.is_outcome
    ]
    return own + others


def _next_of_the_study(
    points: Sequence[StudyPoint], view: StudyView, null: Sequence[StudyPoint]
) -> list[StudyPoint]:
    if not view.looks:
        return [point for point in (*points, *null) if not point.is_done]
    # A run of another study may lack a test that this one's claims read.
    if untested := [
        p for p in points if not p.is_done and p.directory.read_status().state.is_outcome
    ]:
        return untested
    ids = set() if is_over_budget(view, points[0].config.study.minutes) else set(wanted(view))
    look = view.complete + bool(ids)
    seeds = {seed + SHIFT for seed in seeds_of_look(view, look)} if look else set()
    chosen = [point for point in points if point.directory.id in ids]
    return chosen + [point for point in null if point.config.seed in seeds and not point.is_done]
