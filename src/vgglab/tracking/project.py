"""Runs of a W&B project as plain rows, read by W&B's own client."""

from __future__ import annotations

import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import wandb

from vgglab.config.parse import ConfigError
from vgglab.privacy import without_secrets
from vgglab.tracking import server

FINISHED = "finished"
UNTRAINED = ("diverged", "untrainable")
"""What a run of vgglab that did not train has as ``outcome`` in its summary."""
PAGE = 100
"""Runs that are asked for at a time."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Where a run says what it is. A key of nested values may be written with dots or slashes."""

    arm: str
    """Of the config."""
    seed: str
    """Of the config; empty: the runs of an arm are counted."""
    error: str
    """Of the summary. Where it ends in ``error``, ``images`` beside it is how many it is over."""

    @property
    def images(self) -> str | None:
        """Of the summary; None where the error need not be percent of images."""
        folder, slash, name = self.error.rpartition("/")
        return f"{folder}{slash}images" if name.endswith("error") else None


@dataclass(frozen=True, kw_only=True)
class ProjectRuns:
    """What a project says of its runs."""

    rows: tuple[tuple[str, Mapping[str, str]], ...]
    """Id of a run -> ``arm``, ``seed``, ``error`` and ``images``; empty where there is none."""
    left_out: Mapping[str, int]
    """Why a run is no row -> how many."""


def runs_of_project(path: str, keys: Keys, group: str = "") -> ProjectRuns:
    """The runs of a project that are finished, and of the others how many there are.

    Args:
        path: ``entity/project``, or ``project`` of the entity of the key.
        keys: where a run says what it is.
        group: W&B's group that they are of; empty: any.

    Raises:
        ConfigError: there is no key, server or project, or the server cannot answer.
    """
    url = server.base_url()
    if reason := server.why_not(url):
        raise ConfigError(f"table = wandb:{path}: {without_secrets(url)}: {reason}")
    try:
        with _folders_elsewhere():
            found = wandb.Api().runs(path, per_page=PAGE, lazy=False)
            return rows_of(found, keys, group)
    except Exception as error:  # of many classes, W&B's own and others
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(
            f"table = wandb:{path}: {without_secrets(url)}: {without_secrets(said)}"
        ) from error


@contextmanager
def _folders_elsewhere() -> Iterator[None]:
    """W&B's client makes a folder for each run that it reads of: here, where they go with it."""
    before = os.environ.get("WANDB_DIR")
    with tempfile.TemporaryDirectory(prefix="vgglab-wandb-") as scratch:
        os.environ["WANDB_DIR"] = scratch
        try:
            yield
        finally:
            del os.environ["WANDB_DIR"]
            if before is not None:
                os.environ["WANDB_DIR"] = before


def rows_of(runs: Iterable[Any], keys: Keys, group: str = "") -> ProjectRuns:
    """Plain rows of the client's runs.

    Args:
        runs: with ``id``, ``state``, ``group``, ``config`` and ``summary_metrics``.
        keys: where a run says what it is.
        group: that they are of; empty: any.
    """
    rows: list[tuple[str, Mapping[str, str]]] = []
    left_out: Counter[str] = Counter()
    for run in runs:
        row = _row(run, keys, group)
        if isinstance(row, str):
            left_out[row] += 1
        else:
            rows.append((run.id, row))
    return ProjectRuns(rows=tuple(rows), left_out=dict(left_out))


def _row(run: Any, keys: Keys, group: str) -> dict[str, str] | str:
    """The row of a run, or why it is none."""
    if group and run.group != group:
        return "of another group"
    config, summary = run.config, run.summary_metrics
    has_failed = _at(summary, "outcome") in UNTRAINED
    if run.state != FINISHED and not has_failed:
        return str(run.state)
    row = {"arm": _text(_at(config, keys.arm))}
    if keys.seed:
        row["seed"] = _text(_at(config, keys.seed))
    for name, key in (("arm", keys.arm), ("seed", keys.seed)):
        if name in row and not row[name]:
            return f"without {key}"
    error = _at(summary, keys.error)
    if not has_failed and not isinstance(error, int | float | str):
        return f"without {keys.error}"
    row["error"] = "" if has_failed or not _is_finite(error) else _text(error)
    if keys.images:
        row["images"] = _text(_at(summary, keys.images))
    return row


def _at(values: Any, key: str) -> Any:
    """The value of a key, as it stands or as a path through nested ones; None: there is none."""
    if not isinstance(values, Mapping):
        return None
    if key in values:
        return values[key]
    for place in (i for i, letter in enumerate(key) if letter in "./"):
        found = _at(values.get(key[:place]), key[place + 1 :])
        if found is not None:
            return found
    return None


def _is_finite(value: Any) -> bool:
    """Whether it is a number; W&B spells others ``"NaN"`` and ``"Infinity"``."""
    try:
        return math.isfinite(float(value))
    except ValueError:
        return True  # a text, which the table refuses by its name


def _text(value: Any) -> str:
    """As a cell of a table: JSON may have made 3 to 3.0."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
