"""From a folder to a study or to runs."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

from vgglab import runs as stored_runs
from vgglab.config import flatten, plain
from vgglab.notebook.runs import Runs
from vgglab.notebook.study import Study
from vgglab.runs import RunRecord
from vgglab.study import StudyView
from vgglab.study.stored import STUDY, read_study


def load(study: str | PathLike[str], runs: str | PathLike[str] | None = None) -> Study:
    """Load a study from its folder and those of its runs, finished or not.

    Example::

        study = vgglab.load("studies/depth")
        study.claims[["claim", "word", "difference", "low", "high"]]

    Args:
        study: the study's folder, ``studies/<name>``.
        runs: folder of its runs; None: where they were when the study was last launched or
            reported, seen from its folder.

    Raises:
        FileNotFoundError: the folder is no study's, or none of its runs is there.
    """
    folder = Path(study)
    if not (folder / STUDY).is_file():
        raise FileNotFoundError(_no_study(folder))
    view = read_study(folder, Path(runs) if runs is not None else None)
    if not view.runs:
        where = runs or "the folder where they were"
        raise FileNotFoundError(
            f"{folder}: none of its {len(view.missing)} runs is in {where}; either none has begun, "
            'or they lie elsewhere: vgglab.load(study, runs="runs")'
        )
    return Study(view)


def _no_study(folder: Path) -> str:
    if folder.is_dir() and (folder / "claims.json").exists():
        return (
            f"{folder} has no {STUDY}: its report is of before 27 November 2026; "
            f"python run.py task=report sweeps={folder.name} writes it"
        )
    there = sorted(path.parent.name for path in folder.parent.glob(f"*/{STUDY}"))
    what = "no such folder" if not folder.is_dir() else f"no study, for it has no {STUDY}"
    return f"{folder}: {what}; studies in {folder.parent}: {', '.join(there) or 'none'}"


def load_runs(folder: str | PathLike[str], where: Mapping[str, Any] | None = None) -> Runs:
    """Load runs from their folder, whatever study they are of.

    Example::

        runs = vgglab.load_runs("runs", where={"model.name": ["b", "d"], "norm.name": "batch"})
        runs.runs.groupby("model")["top1_error"].mean()

    Args:
        folder: of the runs, ``runs``.
        where: field of the config by its dotted name -> its value, or a list of them; runs that
            have all of these are loaded. None: every run.

    Raises:
        FileNotFoundError: there is no such folder, or no run in it.
        ValueError: no run has such a field, or none has these values; the message names what there
            is.
    """
    path = Path(folder)
    found = stored_runs.load_runs(path)
    if not found:
        what = "no run that this version can read" if path.is_dir() else "no such folder"
        raise FileNotFoundError(
            f"{path}: {what}; runs lie in paths.runs, which is runs/ by default"
        )
    chosen = _chosen(found, where or {})
    return Runs(StudyView(name=path.name, asks="", paper="", runs=chosen))


def _chosen(found: list[RunRecord], where: Mapping[str, Any]) -> list[RunRecord]:
    fields = {run.id: dict(flatten(plain(run.config))) for run in found}
    known = {name for values in fields.values() for name in values}
    for name, wanted in where.items():
        if name not in known:
            close = get_close_matches(name, known, n=3) or sorted(known)
            raise ValueError(f"where has {name}: no run has such a field; near: {', '.join(close)}")
        left = [run for run in found if fields[run.id].get(name) in _listed(wanted)]
        if not left:
            there = sorted({repr(fields[run.id].get(name)) for run in found})
            raise ValueError(f"where has {name} = {wanted!r}: the runs have {', '.join(there)}")
        found = left
    return found


def _listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]
