"""Predictions of each test image, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from vgglab.runs import RunRecord

Key = tuple[str, str]
"""Run and protocol."""
COLUMNS = ("index", "original", "label", "predicted", "rank", "probability", "loss")


class Predictions(Mapping[Key, pd.DataFrame]):
    """``(run, protocol)`` -> a frame with a row a test image; a file is read when it is asked for.

    The columns are described in docs/notebook.md. Example: the frames of all runs in one, and the
    images that most of them get wrong::

        images = pd.concat(study.predictions, names=["run", "protocol"])
        wrong = images["rank"] != 1
        wrong.groupby(images["index"]).mean().nlargest(10)
    """

    def __init__(self, runs: Sequence[RunRecord]) -> None:
        self._paths = {
            (run.id, protocol): path
            for run in runs
            for protocol in run.result.get("errors", {})
            if (path := run.directory.predictions(protocol)).exists()
        }

    def __getitem__(self, key: Key) -> pd.DataFrame:
        if key not in self._paths:
            raise KeyError(f"{key}: no predictions; list(study.predictions) has the keys")
        table = pq.read_table(self._paths[key]).sort_by("index")
        label_n = table["label"].to_numpy()
        classes_nk, log_nk = _matrix(table["classes"]), _matrix(table["log_probabilities"])
        hit_nk = classes_nk == label_n[:, None]
        return pd.DataFrame(
            {
                "index": table["index"].to_numpy(),
                # Files of before 26 November 2026 do not say it.
                "original": table["original" if "original" in table.column_names else "index"],
                "label": label_n,
                "predicted": classes_nk[:, 0],
                "rank": np.where(hit_nk.any(axis=1), hit_nk.argmax(axis=1) + 1, 0),
                "probability": np.exp(log_nk[:, 0]),
                "loss": table["loss"].to_numpy(),
            }
        )

    def __iter__(self) -> Iterator[Key]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"<predictions of {len(self)} tests; [(run, protocol)] is a frame>"


def _matrix(column: Any) -> Any:
    """A column of lists of equal length as an array (N, K)."""
    lists = column.combine_chunks()
    return np.asarray(lists.values).reshape(len(lists), -1)
