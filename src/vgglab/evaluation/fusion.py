"""Errors of the mean posterior of several nets or protocols, from stored predictions (Table 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vgglab.evaluation.predictions import ORIGINAL, skipped_rows

AT_A_TIME = 2048
"""Images whose posteriors over all classes are in memory at a time."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fused:
    """Top-k errors of the mean posterior, percent."""

    images: int
    errors: dict[int, float]
    bounds: dict[int, tuple[float, float]]
    """Lowest and highest error, percent, over all possible posteriors of the classes that were not
    stored; both equal ``errors`` where all classes were."""

    @property
    def is_exact(self) -> bool:
        """Whether the classes that were not stored cannot change an error."""
        return all(low == high for low, high in self.bounds.values())


@dataclass(frozen=True)
class _Posteriors:
    """Posteriors of N images over all K classes, from one table."""

    known_nk: Floats
    """The stored ones; 0 elsewhere."""
    stored_nk: NDArray[np.bool_]
    rest_n: Floats
    """Sum of the posteriors of the classes that were not stored."""
    last_n: Floats
    """The smallest stored one: no other class has more."""

    @property
    def spread_nk(self) -> Floats:
        """The posteriors, with the rest shared out equally."""
        others = max(1, int((~self.stored_nk[0]).sum()))
        return self.known_nk + ~self.stored_nk * (self.rest_n / others)[:, None]

    @property
    def largest_nk(self) -> Floats:
        """The posteriors, with the most that each of the other classes could have."""
        return self.known_nk + ~self.stored_nk * np.minimum(self.rest_n, self.last_n)[:, None]


def fused(tables: Sequence[pa.Table], classes: int, top_k: Sequence[int]) -> Fused:
    """Average the posteriors of several tables of predictions.

    Predictions hold an image's 20 likeliest classes. With more classes than that, the rest of a
    posterior is shared out equally over the others, and ``bounds`` says how much that may hide.

    Args:
        tables: predictions of the same images.
        classes: number of classes.
        top_k: each k of the errors to compute.

    Raises:
        ValueError: the images differ, or fewer classes were stored than a k.
    """
    first = tables[0]
    telling = [table[ORIGINAL.name] for table in tables if _tells_originals(table)]
    if not (
        all(table[name].equals(first[name]) for table in tables for name in ("index", "label"))
        and all(originals.equals(telling[0]) for originals in telling)
    ):
        raise ValueError("predictions of other images cannot be averaged")
    # An image that cannot be read in one table counts as an error of the mean.
    skipped_n = np.any([skipped_rows(table) for table in tables], axis=0)
    read = [table.filter(~skipped_n) for table in tables]
    ahead = [_rivals(parts) for parts in _parts(read, classes)]
    counts_3n = [np.concatenate(counts) for counts in zip(*ahead, strict=True)]

    def percent(ahead_n: NDArray[np.int64], k: int) -> float:
        wrong = int((ahead_n >= k).sum()) + int(skipped_n.sum())
        return round(100.0 * wrong / len(first), 4)

    expected_n, at_least_n, at_most_n = counts_3n
    return Fused(
        images=len(first),
        errors={k: percent(expected_n, k) for k in top_k},
        bounds={k: (percent(at_least_n, k), percent(at_most_n, k)) for k in top_k},
    )


def _tells_originals(table: pa.Table) -> bool:
    """Whether it says of some images that they are made from one original."""
    name = ORIGINAL.name
    return name in table.column_names and not table[name].equals(table["index"])


def _parts(
    tables: Sequence[pa.Table], classes: int
) -> Iterator[tuple[list[_Posteriors], NDArray[np.int64], NDArray[np.int64]]]:
    """Posteriors of each table, labels and the first table's ranks, for some images at a time."""
    for start in range(0, len(tables[0]), AT_A_TIME):
        rows = [table.slice(start, AT_A_TIME) for table in tables]
        labels_n = rows[0]["label"].to_numpy()
        order_nm = np.stack(rows[0]["classes"].to_numpy())
        ranks_nk = np.full((len(labels_n), classes), order_nm.shape[1])
        np.put_along_axis(ranks_nk, order_nm, np.arange(order_nm.shape[1])[None], axis=1)
        yield [_posteriors(row, classes) for row in rows], labels_n, ranks_nk


def _posteriors(table: pa.Table, classes: int) -> _Posteriors:
    order_nm = np.stack(table["classes"].to_numpy())
    stored_nm = np.exp(np.stack(table["log_probabilities"].to_numpy()).astype(np.float64))
    known_nk = np.zeros((len(order_nm), classes))
    stored_nk = np.zeros(known_nk.shape, dtype=bool)
    np.put_along_axis(known_nk, order_nm, stored_nm, axis=1)
    np.put_along_axis(stored_nk, order_nm, True, axis=1)
    rest_n = np.maximum(0.0, 1.0 - stored_nm.sum(axis=1))
    return _Posteriors(known_nk, stored_nk, rest_n, stored_nm[:, -1])


def _rivals(
    part: tuple[list[_Posteriors], NDArray[np.int64], NDArray[np.int64]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Number of classes ranked before the label: expected, at least, and at most.

    Equal posteriors are in the order of the first table, so that one table alone keeps its errors.
    """
    members, labels_n, ranks_nk = part
    label_n1 = labels_n[:, None]
    mean_nk, low_nk, high_nk = (
        np.mean([getattr(m, name) for m in members], axis=0)
        for name in ("spread_nk", "known_nk", "largest_nk")
    )
    first_nk = ranks_nk < np.take_along_axis(ranks_nk, label_n1, axis=1)

    def before(values_nk: Floats, label_values_nk: Floats) -> NDArray[np.int64]:
        label_value_n1 = np.take_along_axis(label_values_nk, label_n1, axis=1)
        ahead_nk = (values_nk > label_value_n1) | ((values_nk == label_value_n1) & first_nk)
        np.put_along_axis(ahead_nk, label_n1, False, axis=1)
        count_n: NDArray[np.int64] = ahead_nk.sum(axis=1)
        return count_n

    return before(mean_nk, mean_nk), before(low_nk, high_nk), before(high_nk, low_nk)
