"""The comparison of a study's points before they are launched and when they are reported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgglab.config import semantic_fields
from vgglab.config.parse import ConfigError
from vgglab.data.sources.registry import fingerprint
from vgglab.runs import State, Status
from vgglab.study import UNKNOWN, Declared, Guard, compare, free_keys, grid_keys
from vgglab.study.arms import leave_out_tables
from vgglab.workflow.points import StudyPoint
from vgglab.workflow.provenance import commit, knows, source, versions

LIBRARIES = ("numpy", "pytorch-lightning", "torch", "torchmetrics", "torchvision")
"""Libraries whose versions can change a run's numbers."""


def guard_study(
    points: Sequence[StudyPoint], *, launching: bool = False, chosen: bool = False
) -> Guard:
    """Compare the points of a study, those that are to be trained by this code with the others.

    Args:
        points: all of the study.
        launching: points without an outcome count as computed by the present code. Otherwise code
            is compared between those that have been computed.
        chosen: a sweeper chose the points; all but their code may differ.

    Raises:
        ConfigError: the study declares a field that does not exist.
    """
    study = points[0].config.study
    # What nets were tuned to stands among their overrides and is not asked about.
    own = {"seed", *study.tune}
    grid = [p.point.overrides for p in points]
    swept = [key for key in grid_keys(grid) if key not in own]
    stated = Declared(scientific=study.scientific, nuisance=(*study.nuisance, *study.tune))
    free = free_keys(grid, swept, stated)
    declared = Declared(
        scientific=(*stated.scientific, *free),
        nuisance=stated.nuisance,
        tied=tuple(key for key in swept if key not in free),
    )
    present = _present() if launching else None
    facts = {p.directory.id: _fields(p, present) for p in points}
    leave_out_tables(facts.values())
    known = {name for fields in facts.values() for name in fields}
    if chosen:
        declared = Declared(scientific=tuple(n for n in known if not n.startswith("code.")))
    try:  # not of the grid: it also varies what is no field of a run, such as its experiment
        Declared(scientific=study.scientific, nuisance=study.nuisance).check(known)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return compare(facts, declared, allowed=study.allow_confounds)


def refuse_confounds(points: Sequence[StudyPoint], unneeded: Collection[str]) -> None:
    """Let a study be launched only if its points differ in what it declares, or allows.

    Args:
        points: all of the study.
        unneeded: ids of those that it has dropped, which the present code will not train.

    Raises:
        ConfigError: they do not.
    """
    needed = [point for point in points if point.directory.id not in unneeded]
    found = guard_study(needed, launching=True)
    if found.confounds and not found.allowed:
        raise ConfigError(
            f"study {points[0].config.study.name}: {found.complaint}; name them in "
            "study.scientific or study.nuisance, or launch with study.allow_confounds=true, "
            "and the report will say so"
        )


def refuse_mixed_code(points: Sequence[StudyPoint]) -> None:
    """Let a sweeper compare points only if the same code computes them, or the study allows it.

    Raises:
        ConfigError: other code has computed some of them.
    """
    found = guard_study(points, launching=True, chosen=True)
    if found.confounds and not found.allowed:
        raise ConfigError(
            f"the points that the sweeper compares are computed by different code: {found.listed}; "
            "take another paths.runs, or study.allow_confounds=true"
        )


@dataclass(frozen=True)
class Code:
    """The code that the runs of this command are computed by."""

    name: str
    versions: Mapping[str, str]


def _present() -> Code:
    return Code(_name(commit(), source()), versions())


def _fields(point: StudyPoint, present: Code | None) -> dict[str, Any]:
    data = {"data.fingerprint": fingerprint(point.config.data, point.config.paths.data_folder)}
    code = _code(point.directory.read_status(), present)
    return semantic_fields(point.config) | data | code


def _code(status: Status, present: Code | None) -> dict[str, str]:
    recorded, by = _recorded(status), status.versions
    if present is not None and not status.state.is_outcome:
        # What an attempt before this one has computed stays in the run.
        recorded = [*(r for r in recorded if r != present.name), present.name]
        by = dict(present.versions)
    return {"code.version": ", then ".join(recorded) or UNKNOWN} | {
        f"code.{name}": by.get(name, UNKNOWN) for name in LIBRARIES
    }


def _recorded(status: Status) -> list[str]:
    """The code of each attempt that has left something in the run, first to last."""
    left = [a for a in status.history[:-1] if a.to_epoch or a.state is State.INTERRUPTED]
    codes = [(a.commit, a.source) for a in (*left, *status.history[-1:])]
    if not status.history:
        codes = [(status.commit, status.source)]
    return list(dict.fromkeys(name for c, s in codes if (name := _name(c, s))))


def _name(commit: str, source: str) -> str:
    """A name that two runs of equal code share: the hash of its source, where it can be trusted.

    A commit that this checkout does not know is compared as it is.
    """
    if source and (not commit or knows(commit)):
        return f"source {source}"
    return commit and f"commit {commit[:12]}"
