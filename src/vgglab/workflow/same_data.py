"""Whether runs saw the same data: a folder's images are no part of a run's config."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from vgglab.config import semantic_fields
from vgglab.data.errors import DataError
from vgglab.data.sources.registry import fingerprint
from vgglab.runs import RunDirectory, RunRecord, Status, run_id
from vgglab.runs.identity import canonical_json


def data_in(folder: Path) -> Callable[[RunRecord], str]:
    """Finds the fingerprint of a run's data: as the run wrote it down, which those of before 28
    November 2026 did not; then what this machine has, where the run's id is made of it. Their
    images may lie elsewhere: then it is not known, and empty.

    Args:
        folder: ``paths.data``.
    """
    known: dict[str, str] = {}

    def of(run: RunRecord) -> str:
        if run.status.data_fingerprint:
            return run.status.data_fingerprint
        data = repr(run.config.data)
        try:
            if data not in known:
                known[data] = fingerprint(run.config.data, folder)
            here = known[data]
            return here if run_id(run.config, here, run.status.parent) == run.id else ""
        except (DataError, ValueError, OSError):
            return known.setdefault(data, "")

    return of


def why_other_data(runs: Iterable[RunRecord], folder: Path) -> str:
    """Why some of these runs are known not to have seen the data of the others; empty where none
    is. Two of one config and seed, of which one does not say its data, tell it by their ids.

    Args:
        runs: any; their configs may name other data sets, which is not looked at.
        folder: ``paths.data``.
    """
    data_of = data_in(folder)
    of_data: dict[str, RunRecord] = {}
    of_config: dict[str, tuple[RunRecord, str]] = {}
    by_id = ""
    for run in runs:
        data = data_of(run)
        if data:
            of_data.setdefault(data, run)
        same = canonical_json(semantic_fields(run.config))
        other, others = of_config.setdefault(same, (run, data))
        if other.id != run.id and not (data and others):
            by_id = by_id or (
                f"{other.id} and {run.id} have one config and one seed, and yet other ids: their "
                "data are others, or they are of other versions"
            )
    if len(of_data) > 1:
        (first, ours), (second, theirs), *_ = of_data.items()
        return f"{ours.id} and {theirs.id} have other data (fingerprints {first} and {second})"
    return by_id


def why_other_parents(runs: Iterable[RunRecord]) -> str:
    """Why some of these runs, of one config but for the seed, are known to start from runs that
    were trained on other data: a folder's images are no part of a config. Empty where none is."""
    known = [(run, data) for run in runs if (data := _data_of_ancestors(run))]
    for other, theirs in known[1:]:
        first, ours = known[0]
        for one, another in zip(ours, theirs, strict=False):  # the nearest ancestor first
            if one != another:
                return (
                    f"{first.id} and {other.id} start from runs on other data (fingerprints {one} "
                    f"and {another})"
                )
    return ""


def _data_of_ancestors(run: RunRecord) -> tuple[str, ...]:
    """The fingerprints of the data of a run's parent, of that one's, and so on; empty where one is
    not known, as its run was removed or is of before 28 November 2026."""
    found: list[str] = []
    parent = run.status.parent
    while parent:
        status = Status.read(RunDirectory(run.directory.path.parent / parent).status)
        if not status.data_fingerprint:
            return ()
        found.append(status.data_fingerprint)
        parent = status.parent
    return tuple(found)
