"""Runs and studies as plain values, for W&B. Does not load wandb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgglab.checkout import CODE
from vgglab.config import flatten

CODE_SUFFIXES = (".py", ".cpp", ".h", ".yaml")


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """The data set that a run reads."""

    name: str
    fingerprint: str
    url: str
    """Address of its origin."""
    config: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """Everything known of a run before its first record."""

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    notes: str
    """The command that starts it, after what the user has to say of it."""
    config: Mapping[str, Any]
    data: DataCard | None = None
    code: Path | None = None
    """The checkout whose code is kept."""


def code_files(checkout: Path) -> list[Path]:
    """The files of a checkout that can change the result of a run; looks into ``CODE`` alone."""
    found = (path for name in CODE for path in [checkout / name, *(checkout / name).rglob("*")])
    return sorted(path for path in found if path.suffix in CODE_SUFFIXES and path.is_file())


def columns(config: Mapping[str, Any]) -> dict[str, str | int | float]:
    """``cfg.model.name`` as ``cfg/model/name``: tables of runs show flat keys, nested ones not all.

    With slashes, so that no key is the name of an override: those a sweep's agent locks.
    """
    return {
        f"cfg/{name.replace('.', '/')}": value
        for name, value in flatten(config)
        if isinstance(value, str | int | float)
    }


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns and rows of plain values."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A line chart: series by name, each with x and y of its own."""

    title: str
    x_label: str
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A bar chart: a label and a value each."""

    title: str
    label: str
    value: str
    bars: Sequence[tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class StudyCard:
    """The content of a study's own run."""

    run: RunCard
    runs: Sequence[tuple[str, str]]
    """W&B id and state of every run that it summarises."""
    tables: Mapping[str, Table]
    lines: Mapping[str, Lines]
    bars: Mapping[str, Bars]
    figures: Mapping[str, Path]
    """PNG files."""
    page: Path
    """The offline page."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """The content of a study's workspace and report."""

    study: str
    asks: str
    paper: str
    runs: Sequence[str]
    """W&B ids of the study's runs."""
    seeds: Sequence[int]
    """Runs that there are of each arm."""
    counted: Mapping[str, Sequence[int]]
    """Number that runs have once -> runs of each arm that have it."""
    protocols: Sequence[str]
    top_k: Sequence[int]
    figures: Sequence[str]
    charts: Sequence[str]
    """Of the study's own run: names of its line charts."""
