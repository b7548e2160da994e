"""Which test images each run got wrong: what pairs of runs are compared by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vgglab.runs import RunRecord


@dataclass(frozen=True)
class Wrong:
    """Of one run under one protocol, by test image in the order of their index."""

    index_n: NDArray[np.int64]
    label_n: NDArray[np.int64]
    wrong_n: NDArray[np.bool_]


@dataclass(frozen=True)
class Images:
    """Reads each run's predictions once."""

    _known: dict[tuple[str, str, int], Wrong | None] = field(default_factory=dict)

    def wrong(self, run: RunRecord, protocol: str, k: int) -> Wrong | None:
        """Top-k mistakes; None where the run kept no predictions, or too few classes of each."""
        key = (run.id, protocol, k)
        if key not in self._known:
            self._known[key] = _read(run, protocol, k)
        return self._known[key]


def _read(run: RunRecord, protocol: str, k: int) -> Wrong | None:
    path = run.directory.predictions(protocol)
    if not path.exists():
        return None
    table = pq.read_table(path, columns=["index", "label", "classes"]).sort_by("index")
    label_n = table["label"].to_numpy()
    classes: Any = table["classes"].combine_chunks()
    classes_nk = np.asarray(classes.values).reshape(len(label_n), -1)
    if classes_nk.shape[1] < k:
        return None
    hit_n = (classes_nk[:, :k] == label_n[:, None]).any(axis=1)
    return Wrong(table["index"].to_numpy(), label_n, ~hit_n)
