"""What a study's folder says of the study: its points and claims, its declarations, its looks.

``study.json`` is written when the study is launched and with each report, so that whoever has the
folders of the study and of its runs has the study itself, without the sweep that it was made by.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vgglab.config import plain
from vgglab.config.claims import parse_claims
from vgglab.config.parse import ConfigError, parse_stored
from vgglab.privacy import without_home_in
from vgglab.runs import RunRecord, load_run
from vgglab.runs.atomic import write_json
from vgglab.runs.lines import read_lines
from vgglab.study.claims.tested import Point
from vgglab.study.confounds import Declared, Guard
from vgglab.study.declared import DeclaredLine, declared_line
from vgglab.study.guard_record import as_tuples, plain_guard, read_guard
from vgglab.study.ledger import LookLine, look_line
from vgglab.study.looking import with_looks
from vgglab.study.tuning import Candidate, Tuning
from vgglab.study.view import MissingPoint, StudyView

STUDY, LEDGER, DECLARED = "study.json", "looks.jsonl", "declared.jsonl"
CONTROL_LEDGER = "looks_control.jsonl"
VERSION = 2
"""Of ``study.json``; 1, of before 28 November 2026, lacks null arm, control runs and the guard."""

Planned = dict[str, Any]
"""Id of a point -> the parts of its config in which it differs from the first one's."""


def read_ledger(folder: Path) -> list[LookLine]:
    """The looks that a study has had."""
    return [look_line(line) for line in read_lines(folder / LEDGER)]


def read_control_ledger(folder: Path) -> list[LookLine]:
    """The looks that its control runs have had; none of before 29 November 2026."""
    return [look_line(line) for line in read_lines(folder / CONTROL_LEDGER)]


def read_declared(folder: Path) -> list[DeclaredLine]:
    """The declarations that a study has had."""
    return [declared_line(line) for line in read_lines(folder / DECLARED)]


def write_study(view: StudyView, folder: Path) -> None:
    """Write ``study.json``: all that ``read_study`` needs besides the folders of the runs."""
    base = _plain(view.points[0])
    content = {
        "version": VERSION,
        **{name: getattr(view, name) for name in ("name", "asks", "paper", "design")},
        "looks": list(view.looks),
        "runs": Path(os.path.relpath(_runs_folder(view).resolve(), folder.resolve())).as_posix(),
        "guard": plain_guard(view.guard) if view.guard else None,
        "tuning": [_candidate(c) for c in view.tuning.candidates] if view.tuning else None,
        "claims": {name: asdict(claim) for name, claim in view.claims.items()},
        "config": base,
        "points": _planned(view.points, base),
        "placebo": _planned(view.placebo, base),
        "control": _planned(view.control, base),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / STUDY, content)


def _runs_folder(view: StudyView) -> Path:
    first = view.points[0]
    if isinstance(first, RunRecord):
        return first.directory.path.parent
    return first.config.paths.runs_folder


def _planned(points: Sequence[Point], base: Mapping[str, Any]) -> Planned:
    return {point.id: _differs(_plain(point), base) for point in points}


def _plain(point: Point) -> dict[str, Any]:
    """A point's config; where it has no folder yet, it still names the user's home."""
    tree: dict[str, Any] = without_home_in(plain(point.config))
    return tree


def _differs(tree: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a config in which a point differs; a run knows the study that trained it first,
    which says nothing of this one."""
    return {name: tree[name] for name in tree if tree[name] != base[name] and name != "study"}


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "net": dict(candidate.net),
        "setting": dict(candidate.setting),
        "errors": candidate.errors,
    }


def read_study(folder: Path, runs: Path | None = None) -> StudyView:
    """The study of a folder, with its runs as they are now.

    It is judged and reported as by the study's own command: with its looks, ledger, declarations,
    null arm, control runs and the comparison of its points, which was made when ``study.json`` was
    written.

    Args:
        folder: ``studies/<name>``.
        runs: folder of the runs; None: where they were when ``study.json`` was written, seen from
            the study's folder.

    Raises:
        FileNotFoundError: there is no ``study.json``.
        ConfigError: this version cannot read a config or a claim of it.
    """
    stored = json.loads((folder / STUDY).read_text(encoding="utf-8"))
    where = runs or (folder / stored["runs"]).resolve()

    def points(planned: Planned) -> list[Point]:
        base = stored["config"]
        return [_point(where / name, {**base, **differs}) for name, differs in planned.items()]

    found, tuning = points(stored["points"]), stored["tuning"]
    return with_looks(
        StudyView(
            **{name: stored[name] for name in ("name", "asks", "paper", "design")},
            runs=[point for point in found if isinstance(point, RunRecord)],
            missing=[point for point in found if isinstance(point, MissingPoint)],
            guard=_read_guard(stored),
            claims=parse_claims(stored["claims"]),
            looks=tuple(stored["looks"]),
            tuning=Tuning([_read_candidate(line) for line in tuning]) if tuning else None,
            placebo=points(stored.get("placebo", {})),
            control=points(stored.get("control", {})),
            ledger=read_ledger(folder),
            control_ledger=read_control_ledger(folder),
            declared=read_declared(folder),
        )
    )


def _read_guard(stored: Mapping[str, Any]) -> Guard | None:
    if "guard" in stored:
        return read_guard(stored["guard"]) if stored["guard"] else None
    nuisance = stored["nuisance"]  # of version 1
    if nuisance is None:
        return None
    return Guard(declared=Declared(nuisance=tuple(nuisance)), differences=())


def _point(path: Path, planned: Mapping[str, Any]) -> Point:
    if not (path / "config.yaml").exists():
        return MissingPoint(path.name, parse_stored(planned))
    try:
        return load_run(path)
    except ConfigError:  # of a version with other fields: what the study planned stands in for it
        return load_run(path, planned=parse_stored(planned))


def _read_candidate(stored: Mapping[str, Any]) -> Candidate:
    errors = {int(seed): error for seed, error in stored["errors"].items()}
    net, setting = (
        tuple((name, as_tuples(value)) for name, value in stored[key].items())
        for key in ("net", "setting")
    )
    return Candidate(net, setting, errors)
