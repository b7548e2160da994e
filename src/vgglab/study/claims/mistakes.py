"""Which test images each run got wrong: what pairs of runs are compared by."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vgglab.runs import RunRecord
from vgglab.runs.damage import DamagedFile, say_once


@dataclass(frozen=True)
class Mistakes:
    """Test images that a run got wrong under one protocol, in the order of their index."""

    index_n: NDArray[np.int64]
    original_n: NDArray[np.int64]
    """The original that each was made from; predictions of before 26 November 2026 do not say it,
    and each image counts as its own."""
    label_n: NDArray[np.int64]
    wrong_n: NDArray[np.bool_]

    @property
    def tells_originals(self) -> bool:
        """Whether some images are known to be made from one original."""
        return not np.array_equal(self.original_n, self.index_n)

    def same_images(self, other: Mistakes) -> bool:
        """Whether both runs were tested on the same images, as far as they tell."""
        pairs = [(self.index_n, other.index_n), (self.label_n, other.label_n)]
        if self.tells_originals and other.tells_originals:
            pairs.append((self.original_n, other.original_n))
        return all(np.array_equal(one, another) for one, another in pairs)


@dataclass(frozen=True)
class MistakesReader:
    """Reads each run's predictions once."""

    _read: dict[tuple[Path, str, int], Mistakes | None] = field(default_factory=dict)
    """By folder: two studies may have a run of one id each, trained apart."""

    def mistakes(self, run: RunRecord, protocol: str, k: int) -> Mistakes | None:
        """The test images whose label is not among a run's first k predictions.

        Args:
            run: a finished run.
            protocol: label of the test.
            k: number of predictions that count, from 1.

        Returns:
            None where the run kept no predictions, or too few classes of each, or their file is
            damaged, which is said.
        """
        key = (run.directory.path, protocol, k)
        if key not in self._read:
            self._read[key] = _read_mistakes(run, protocol, k)
        return self._read[key]


def _read_mistakes(run: RunRecord, protocol: str, k: int) -> Mistakes | None:
    path = run.directory.predictions(protocol)
    if not path.exists():
        return None
    try:
        stored = pq.read_schema(path).names
        original = "original" if "original" in stored else "index"
        table = pq.read_table(path, columns=list({"index", original, "label", "classes"}))
        table = table.sort_by("index")
    except (pa.ArrowException, OSError) as error:
        say_once(DamagedFile(path, error), "its run counts as one without predictions")
        return None
    label_n = table["label"].to_numpy()
    classes: Any = table["classes"].combine_chunks()
    classes_nk = np.asarray(classes.values).reshape(len(label_n), -1)
    if classes_nk.shape[1] < k:
        return None
    hit_n = (classes_nk[:, :k] == label_n[:, None]).any(axis=1)
    return Mistakes(table["index"].to_numpy(), table[original].to_numpy(), label_n, ~hit_n)
