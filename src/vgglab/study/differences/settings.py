"""What two lots of runs were computed with: config fields, libraries, machine, source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgglab.config import SEED, Config, flatten, plain, role_of
from vgglab.config.fields import Role
from vgglab.config.nets import as_text
from vgglab.runs import RunRecord

ORDER = tuple(Role)
"""Of roles: what decides the numbers comes first."""
OF_THE_COMMAND = ("task.", "study.")
"""Fields of the command, and of the study that happened to train a run first."""
SOURCE, MACHINE, VERSIONS = "source", "machine", "versions"


@dataclass(frozen=True)
class FieldChange:
    """A config field whose values differ."""

    field: str
    role: str
    first: tuple[Any, ...]
    """Every value of the first lot; empty: it has no such field."""
    second: tuple[Any, ...]
    where: tuple[str, ...] = ()
    """Labels of the arms in which it differs."""


@dataclass(frozen=True)
class RecordChange:
    """Something that runs record of where and by what they were computed."""

    kind: str
    name: str
    first: tuple[str, ...]
    """Every value of the first lot; empty: not recorded."""
    second: tuple[str, ...]


def field_changes(
    first: Sequence[Config], second: Sequence[Config], leave_out: Sequence[str] = ()
) -> list[FieldChange]:
    """The fields in which two lots of configs differ, by role and name.

    Args:
        first: one or more configs.
        second: one or more configs.
        leave_out: fields that may differ without a word.

    Returns:
        Those of the command and of the study that trained a run first are left out, and the tables
        of nets whose names differ.
    """
    ours, theirs = _values(first), _values(second)
    changed = [
        name
        for name in sorted({*ours, *theirs} - set(leave_out))
        if not name.startswith(OF_THE_COMMAND) and ours.get(name, ()) != theirs.get(name, ())
    ]
    if "model.name" in changed:
        changed = [name for name in changed if name != "model.blocks"]
    both = (*first, *second)
    found = [
        FieldChange(name, str(_role(name, both)), ours.get(name, ()), theirs.get(name, ()))
        for name in changed
    ]
    return sorted(found, key=lambda change: (ORDER.index(Role(change.role)), change.field != SEED))


def _role(name: str, configs: Iterable[Config]) -> Role:
    for config in configs:  # data sets have fields that others lack
        try:
            return role_of(config, name)
        except KeyError:
            continue
    raise KeyError(name)


def _values(configs: Sequence[Config]) -> dict[str, tuple[Any, ...]]:
    """Field -> its values, each once."""
    found: dict[str, dict[str, Any]] = {}
    for config in configs:
        fields = dict(flatten(plain(config)))
        fields["model.blocks"] = as_text(config.model.blocks)
        for name, value in fields.items():
            found.setdefault(name, {})[repr(value)] = value
    return {name: tuple(by[key] for key in sorted(by)) for name, by in found.items()}


def record_changes(
    first: Sequence[RunRecord], second: Sequence[RunRecord], kinds: Sequence[str]
) -> list[RecordChange]:
    """What two lots of runs record differently.

    Args:
        first: one or more runs.
        second: one or more runs.
        kinds: of ``SOURCE``, ``VERSIONS`` and ``MACHINE``, in the order in which they are wanted.
    """
    found: list[RecordChange] = []
    for kind in kinds:
        ours, theirs = _recorded(first, kind), _recorded(second, kind)
        found += [
            RecordChange(kind, name, ours.get(name, ()), theirs.get(name, ()))
            for name in dict.fromkeys([*ours, *theirs])
            if ours.get(name) != theirs.get(name)
        ]
    return found


def _recorded(runs: Sequence[RunRecord], kind: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for run in runs:
        for name, value in _records(run, kind):
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return {name: tuple(sorted(values)) for name, values in found.items()}


def _records(run: RunRecord, kind: str) -> Iterable[tuple[str, str]]:
    status = run.status
    if kind == SOURCE:
        for attempt in (status, *status.history):
            yield from (
                (name, value)
                for name in ("commit", "source")
                if (value := str(getattr(attempt, name)))
            )
    elif kind == VERSIONS:
        yield from status.versions.items()
    else:
        hardware: Mapping[str, Any] = run.result.get("hardware", {})
        where = {"host": status.host} if status.host else {}
        yield from ((name, str(value)) for name, value in {**where, **hardware}.items())
