"""Runs of others, of which a table says arm, seed and error: judged by the claims' own tests.

What is not known makes the words weaker: no two runs are paired, for that equal seeds mean equal
first weights is not known, and luck on the test images is bounded by their number, where that is.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vgglab.config.names import listed
from vgglab.config.parse import ConfigError
from vgglab.study.claims.comparisons import Comparison, Side, claim_on_named
from vgglab.study.claims.pairing import Cell, Paired
from vgglab.study.claims.verdict import Judgement, judged_once


@dataclass(frozen=True)
class ForeignArm:
    """The runs of one name in a table."""

    name: str
    errors: Mapping[int, float]
    """Seed -> error, percent where ``images`` are known, of the runs that have one."""
    untrained: tuple[int, ...]
    """Seeds of the runs without one."""
    images: int | None
    """Fewest test images of any of its runs; None where one does not say."""

    @property
    def mean(self) -> float | None:
        return float(np.mean([*self.errors.values()])) if self.errors else None


@dataclass(frozen=True)
class Asked:
    """A claim on arms of a table, and its verdict."""

    arms: tuple[str, ...]
    judgement: Judgement


def read_table(path: Path) -> list[ForeignArm]:
    """The arms of a CSV, in the order in which they first stand there.

    Columns: ``arm``; ``error``, of which less is better, empty where the run did not train, or
    ``accuracy``, percent; ``seed``, by which each run of an arm is another, counted where there is
    no such column; ``images``, how many it was tested on, with which an error is percent of them.

    Raises:
        ConfigError: the file is not there, is no such table, or a value is out of its range.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"table = {path}: {getattr(error, 'strerror', None) or error}") from error
    measure = "accuracy" if "accuracy" in names and "error" not in names else "error"
    if lacking := [name for name in ("arm", measure) if name not in names]:
        raise ConfigError(
            f"table = {path}: has no column {lacking[0]}; it needs arm and error (or accuracy), "
            f"and may have seed and images; it has {listed(names) if names else 'none'}"
        )
    found: dict[str, dict[int, tuple[float | None, int | None]]] = {}
    for line, row in enumerate(rows, 2):
        place = f"table = {path}: line {line}"
        arm = (row["arm"] or "").strip()
        if not arm:
            raise ConfigError(f"{place}: arm is empty")
        runs = found.setdefault(arm, {})
        seed = _whole(row["seed"], f"{place}: seed") if "seed" in names else len(runs)
        if seed is None:
            raise ConfigError(f"{place}: seed is empty")
        if seed in runs:
            raise ConfigError(f"{place}: seed = {seed}: {arm} has it twice")
        images = _whole(row.get("images"), f"{place}: images")
        is_share = images is not None or measure == "accuracy"
        value = _value(row[measure], f"{place}: {measure}", is_share=is_share)
        if value is not None and measure == "accuracy":
            value = 100 - value
        runs[seed] = value, images
    if not found:
        raise ConfigError(f"table = {path}: has no runs")
    return [_arm(name, runs) for name, runs in found.items()]


def _arm(name: str, runs: Mapping[int, tuple[float | None, int | None]]) -> ForeignArm:
    counts = [images for _, images in runs.values()]
    return ForeignArm(
        name=name,
        errors={seed: error for seed, (error, _) in sorted(runs.items()) if error is not None},
        untrained=tuple(sorted(seed for seed, (error, _) in runs.items() if error is None)),
        images=min((count for count in counts if count), default=None) if all(counts) else None,
    )


def _value(text: str | None, place: str, *, is_share: bool) -> float | None:
    """A number, of a share percent; None of an empty cell, or one that says there is no number."""
    if not (text := (text or "").strip().removesuffix("%")) or text.lower() == "nan":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value) or (is_share and not 0 <= value <= 100):
        allowed = "percent, from 0 to 100" if is_share else "a number of which less is better"
        raise ConfigError(f"{place} = {text}: must be {allowed}, or empty")
    return value


def _whole(text: str | None, place: str) -> int | None:
    if not (text := (text or "").strip()):
        return None
    if not text.isdecimal():
        raise ConfigError(f"{place} = {text}: must be a whole number")
    return int(text)


def judge_table(
    arms: Sequence[ForeignArm], compare: Sequence[str], direction: str, margin: float
) -> list[Asked]:
    """The verdicts on the arms that are named, or on each against the first of the table.

    All are corrected for each other (Holm), as asked once: a table that grows and is asked again
    is another look, which is not counted.

    Args:
        arms: of a table.
        compare: names of arms in the order of the claim; empty: each against the first one.
        direction: of the claim.
        margin: in the unit of the errors.

    Raises:
        ConfigError: an arm is not there, or the direction takes others.
    """
    by_name = {arm.name: arm for arm in arms}
    for name in compare:
        if name not in by_name:
            raise ConfigError(f"judge.compare: {name}: must be {listed(list(by_name))}")
    first, *others = by_name
    groups = [tuple(compare)] if compare else [(name, first) for name in others]
    if not groups:
        raise ConfigError(f"table: has one arm, {first}; a claim compares two")
    asked = [_asked([by_name[name] for name in group], direction, margin) for group in groups]
    return [
        Asked(group, judgement) for group, judgement in zip(groups, judged_once(asked), strict=True)
    ]


def _asked(arms: Sequence[ForeignArm], direction: str, margin: float) -> tuple[Comparison, Paired]:
    try:
        claim = claim_on_named(direction, len(arms), margin, "the command's")
    except ValueError as error:
        problem = str(error).partition("Value error, ")[2].partition(" [type=")[0]
        raise ConfigError(f"judge: {problem or error}") from error
    counts = [arm.images for arm in arms if arm.images]
    paired = Paired(
        cells=tuple(
            Cell(
                side=place,
                average=0,
                weights=place,  # no two arms are paired
                seeds=tuple(arm.errors),
                untrained=arm.untrained,
                errors_s=np.array([*arm.errors.values()], dtype=np.float64),
                sums_so=None,
            )
            for place, arm in enumerate(arms)
        ),
        sides=len(arms),
        waiting=(),
        places=tuple(map(float, range(len(arms)))),
        images=min(counts) if len(counts) == len(arms) else None,
    )
    sides = tuple(Side({}, "", ({},)) for _ in arms)
    return Comparison("table", claim, {}, (), sides), paired
