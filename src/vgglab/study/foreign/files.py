"""A table in a file, CSV or parquet, with a row a run or a row a test image."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vgglab.config.parse import ConfigError
from vgglab.study.foreign.arm import ForeignArm
from vgglab.study.foreign.of_predictions import COLUMNS, arms_of_predictions, has_predictions
from vgglab.study.foreign.of_runs import Row, arms_of_runs


def read_table(path: Path) -> list[ForeignArm]:
    """The arms of a file, in the order in which they first stand there.

    Its columns say whether it has a row a run (``arms_of_runs``) or a row a test image of each
    (``arms_of_predictions``).

    Raises:
        ConfigError: the file is not there, is no such table, or a value is out of its range.
    """
    with _one_line(path):
        return _of_parquet(path) if _begins_as_parquet(path) else _of_csv(path)


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    try:
        yield
    # ValueError: pandas and UTF-8; ArrowException: what is cut or no table.
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise ConfigError(f"table = {path}: {reason}") from error


def _begins_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _of_csv(path: Path) -> list[ForeignArm]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        if not has_predictions(names):
            rows = (Row(f"line {line}", row) for line, row in enumerate(reader, 2))
            return arms_of_runs(rows, names, str(path))
    # An image, arm or seed is a name; classes may be numbers, and then 7 is 7.0.
    frame = pd.read_csv(
        path,
        header=0,
        names=names,
        usecols=[name for name in names if name in COLUMNS],
        dtype=dict.fromkeys(("arm", "seed", "image", "original"), str),
        keep_default_na=False,
        na_values=[""],
        skipinitialspace=True,
        encoding="utf-8-sig",
    )
    return arms_of_predictions(frame, str(path), 2, "line")


def _of_parquet(path: Path) -> list[ForeignArm]:
    names = pq.read_schema(path).names
    if has_predictions(names):
        chosen = [name for name in names if name in COLUMNS]
        frame = pq.read_table(path, columns=chosen).to_pandas(ignore_metadata=True)
        return arms_of_predictions(frame, str(path), 1, "row")
    cells = pq.read_table(path).to_pylist()
    rows = (
        Row(f"row {row}", {name: None if cell is None else str(cell) for name, cell in of.items()})
        for row, of in enumerate(cells, 1)
    )
    return arms_of_runs(rows, names, str(path))
