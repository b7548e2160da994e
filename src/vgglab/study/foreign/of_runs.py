"""Arms from rows with a run each: arm, seed, error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vgglab.config.names import listed
from vgglab.config.parse import ConfigError
from vgglab.study.foreign.arm import ForeignArm


class Row(NamedTuple):
    """A row of a table, and where it stands."""

    place: str
    """``line 2``."""
    cells: Mapping[str, str | None]


def arms_of_runs(rows: Iterable[Row], columns: Iterable[str], table: str) -> list[ForeignArm]:
    """The arms of a table of runs, in the order in which they first stand there.

    Args:
        rows: with ``arm``; ``error``, of which less is better, empty where the run did not train,
            or ``accuracy``, percent; ``seed``, by which each run of an arm is another, counted
            where there is no such column; ``images``, how many it was tested on, with which an
            error is percent of them.
        columns: that the table has.
        table: names it in a message.

    Raises:
        ConfigError: it is no such table, or a value is out of its range.
    """
    names = list(columns)
    measure = "accuracy" if "accuracy" in names and "error" not in names else "error"
    if lacking := [name for name in ("arm", measure) if name not in names]:
        raise ConfigError(
            f"table = {table}: has no column {lacking[0]}; it needs arm and error (or accuracy), "
            "and may have seed and images; or, with a row for each test image of a run, arm, seed, "
            f"image, label and prediction; it has {listed(names) if names else 'none'}"
        )
    found: dict[str, dict[int, tuple[float | None, int | None]]] = {}
    for row in rows:
        place, cells = f"table = {table}: {row.place}", row.cells
        arm = (cells["arm"] or "").strip()
        if not arm:
            raise ConfigError(f"{place}: arm is empty")
        runs = found.setdefault(arm, {})
        seed = whole(cells["seed"], f"{place}: seed") if "seed" in names else len(runs)
        if seed is None:
            raise ConfigError(f"{place}: seed is empty")
        if seed in runs:
            raise ConfigError(f"{place}: seed = {seed}: {arm} has it twice")
        images = whole(cells.get("images"), f"{place}: images")
        is_share = images is not None or measure == "accuracy"
        value = _value(cells[measure], f"{place}: {measure}", is_share=is_share)
        if value is not None and measure == "accuracy":
            value = 100 - value
        runs[seed] = value, images
    if not found:
        raise ConfigError(f"table = {table}: has no runs")
    return [_arm(name, runs) for name, runs in found.items()]


def _arm(name: str, runs: Mapping[int, tuple[float | None, int | None]]) -> ForeignArm:
    return ForeignArm(
        name=name,
        errors={seed: error for seed, (error, _) in sorted(runs.items()) if error is not None},
        untrained=tuple(sorted(seed for seed, (error, _) in runs.items() if error is None)),
        tested_on={seed: images for seed, (_, images) in sorted(runs.items()) if images},
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


def whole(text: str | None, place: str) -> int | None:
    """A whole number; None of an empty cell.

    Raises:
        ConfigError: it is another thing, at this place.
    """
    if not (text := (text or "").strip()):
        return None
    if not text.isdecimal():
        raise ConfigError(f"{place} = {text}: must be a whole number")
    return int(text)
