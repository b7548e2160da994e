"""Arms from rows with a test image of a run each: arm, seed, image, label, prediction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from vgglab.config.names import listed
from vgglab.config.parse import ConfigError
from vgglab.study.claims.mistakes import Mistakes
from vgglab.study.foreign.arm import ForeignArm
from vgglab.study.foreign.of_runs import whole

NEEDED = ("arm", "seed", "image", "label", "prediction")
COLUMNS = (*NEEDED, "original")
"""``original``, from which several images were made, may be left out."""


def has_predictions(columns: Iterable[str]) -> bool:
    """Whether a table of these columns has a row for each image of a run, not one for each run."""
    return {"image", "prediction"} <= set(columns)


def arms_of_predictions(frame: pd.DataFrame, table: str, first: int, row: str) -> list[ForeignArm]:
    """The arms of a table of predictions, in the order in which they first stand there.

    An image without a prediction counts as wrong; a run without any did not train.

    Args:
        frame: of ``COLUMNS``, numbered from 0; others are left alone.
        table: names it in a message.
        first: number of its first row, for a message.
        row: what such a number counts, for a message: ``line``.

    Raises:
        ConfigError: it is no such table, a cell is empty, a run has an image twice, or the same
            image has two labels.
    """

    def refuse(bad_n: pd.Series[bool], problem: str) -> None:
        if bad_n.any():
            place = int(np.flatnonzero(bad_n)[0])
            of = {name: frame[name].iloc[place] for name in NEEDED}
            raise ConfigError(f"table = {table}: {row} {place + first}: {problem.format(**of)}")

    if lacking := [name for name in NEEDED if name not in frame]:
        raise ConfigError(
            f"table = {table}: has no column {lacking[0]}; with a row for each test image of a run "
            f"it needs {', '.join(NEEDED[:-1])} and {NEEDED[-1]}, and may have original; it has "
            f"{listed(list(map(str, frame)))}"
        )
    if frame.empty:
        raise ConfigError(f"table = {table}: has no runs")
    frame = frame[[name for name in COLUMNS if name in frame]].apply(_plain)
    frame["arm"] = frame["arm"].astype("string")
    frame = frame.apply(_stripped)
    for name in (name for name in frame if name != "prediction"):
        refuse(frame[name].isna(), f"{name} is empty")
    frame["seed"] = _seeds(frame["seed"], f"table = {table}: {row}", first)
    known = frame["prediction"].notna()
    if known.any() and is_numeric_dtype(frame["label"]) != is_numeric_dtype(frame["prediction"]):
        raise ConfigError(
            f"table = {table}: label, prediction: one has numbers and the other has names; a class "
            "must be called the same in both"
        )
    run = ["arm", "seed"]
    refuse(
        frame.duplicated([*run, "image"]), "arm {arm}, seed {seed}: image {image} is there twice"
    )
    labels = frame.groupby("image", sort=False)["label"]
    refuse(
        frame["label"] != labels.transform("first"),
        "image {image} has label {label} here and another above; an image must be called the same "
        "in all runs, and no other so",
    )
    coded = pd.DataFrame(
        {
            "arm": frame["arm"],
            "seed": frame["seed"],
            "image": _codes(frame["image"]),
            "original": _codes(frame["original" if "original" in frame else "image"]),
            "label": _codes(frame["label"]),
            "wrong": ~(known & (frame["label"] == frame["prediction"]).fillna(value=False)),
            "known": known,
        }
    ).sort_values("image", kind="stable")
    runs: dict[str, dict[int, pd.DataFrame]] = {str(name): {} for name in frame["arm"].unique()}
    for _, part in coded.groupby(run):
        runs[str(part["arm"].iloc[0])][int(part["seed"].iloc[0])] = part
    return [_arm(name, found) for name, found in runs.items()]


def _arm(name: str, runs: dict[int, pd.DataFrame]) -> ForeignArm:
    mistakes = {
        seed: Mistakes(
            index_n=part["image"].to_numpy(),
            original_n=part["original"].to_numpy(),
            label_n=part["label"].to_numpy(),
            wrong_n=part["wrong"].to_numpy(dtype=bool),
        )
        for seed, part in sorted(runs.items())
        if part["known"].any()
    }
    return ForeignArm(
        name=name,
        errors={seed: 100.0 * float(found.wrong_n.mean()) for seed, found in mistakes.items()},
        untrained=tuple(seed for seed in sorted(runs) if seed not in mistakes),
        tested_on={seed: len(part) for seed, part in sorted(runs.items())},
        mistakes=mistakes,
    )


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Without categories, of which those of two columns cannot be compared."""
    kind = column.dtype
    return column.astype(kind.categories.dtype) if isinstance(kind, pd.CategoricalDtype) else column


def _stripped(column: pd.Series[Any]) -> pd.Series[Any]:
    """Without spaces around texts; one of spaces alone is empty."""
    if is_numeric_dtype(column):
        return column
    short = {text: text.strip() for text in column.dropna().unique() if isinstance(text, str)}
    changed = {text: kept or None for text, kept in short.items() if kept != text or not text}
    return column.map(lambda cell: changed.get(cell, cell)) if changed else column


def _seeds(column: pd.Series[Any], row: str, first: int) -> pd.Series[int]:
    """Seeds as numbers; the message on one that is none names the first row that has it."""
    rows = column[~column.duplicated()]
    known = {
        seed: whole(str(seed), f"{row} {place + first}: seed")
        for place, seed in zip(rows.index, rows, strict=True)
    }
    return column.map(known)


def _codes(column: pd.Series[Any]) -> Any:
    """Equal values as equal numbers, in the order of the values."""
    return pd.factorize(column, sort=True)[0].astype(np.int64)
