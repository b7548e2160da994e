"""Stored predictions of each image, for fusing and paired tests without another forward."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.runs.records import ProtocolErrors

KEPT = 20
"""Classes stored for each image, best first; all of them where there are fewer."""
SCHEMA = pa.schema(
    {
        "index": pa.int64(),
        "label": pa.int64(),
        "loss": pa.float32(),
        "classes": pa.list_(pa.int32()),
        "log_probabilities": pa.list_(pa.float32()),
    }
)
"""``loss`` is minus the label's log-probability, also where the label is not among ``classes``.

An image that could not be read (``data.on_error=skip``) has a row too, so that no count
leaves it out: no loss, ``NO_CLASS`` for every class, and no probability left to any.
"""
NO_CLASS = -1
ORIGINAL = pa.field("original", pa.int64())
"""The column that a file has beside those of ``SCHEMA``: the original that the image was made from.
Images of one original are no independent evidence. Files of before 26 November 2026 lack it."""


class PredictionCollector:
    """Gathers log-probabilities batch by batch, of at least ``at_least`` classes of each image."""

    def __init__(self, at_least: int = KEPT) -> None:
        self._at_least = at_least
        self._samples: list[NDArray[np.int64]] = []
        self._labels: list[Tensor] = []
        self._losses: list[Tensor] = []
        self._values: list[Tensor] = []
        self._classes: list[Tensor] = []

    def add(
        self, samples_n: NDArray[np.int64], labels_n: Tensor, log_probabilities_nk: Tensor
    ) -> None:
        """Keep the predictions of a batch.

        Args:
            samples_n: indices of the images in the split (N,).
            labels_n: their classes (N,), on the same device as the posteriors. What is kept stays
                there until it is asked for, so that nothing waits for the device.
            log_probabilities_nk: natural logarithms of the posteriors (N, K).
        """
        kept = min(max(KEPT, self._at_least), log_probabilities_nk.shape[1])
        top = log_probabilities_nk.topk(kept, dim=1)
        self._samples.append(samples_n)
        self._labels.append(labels_n)
        self._losses.append(-log_probabilities_nk.gather(1, labels_n[:, None])[:, 0])
        self._values.append(top.values)
        self._classes.append(top.indices)

    def table(self) -> pa.Table:
        """A table of ``SCHEMA``; ``classes`` and ``log_probabilities`` are lists, best first.

        Raises:
            ValueError: an image was predicted twice.
        """
        if not self._samples:  # more processes than images
            return SCHEMA.empty_table()
        index = np.concatenate(self._samples)
        if len(np.unique(index)) != len(index):
            raise ValueError("an image was predicted twice")
        columns = {
            "index": index,
            "label": torch.cat(self._labels).cpu().numpy(),
            "loss": torch.cat(self._losses).cpu().numpy(),
            "classes": list(torch.cat(self._classes).to(torch.int32).cpu().numpy()),
            "log_probabilities": list(torch.cat(self._values).cpu().numpy()),
        }
        return pa.table(columns, schema=SCHEMA)


def merged(tables: Sequence[pa.Table]) -> pa.Table:
    """The predictions of several processes in the order of the split.

    Raises:
        ValueError: an image was predicted twice.
    """
    table = pa.concat_tables(tables).sort_by("index")
    index = table["index"].to_numpy()
    if (index[1:] == index[:-1]).any():
        raise ValueError("an image was predicted twice")
    return table


def with_skipped(
    table: pa.Table, skipped_m: NDArray[np.int64], labels_m: NDArray[np.int64]
) -> pa.Table:
    """The predictions with a row for each image that could not be read, in the split's order.

    Args:
        table: predictions of the other images.
        skipped_m: indices in the split of the images that could not be read (M,).
        labels_m: their classes (M,).
    """
    if not len(skipped_m):
        return table
    kept = len(table["classes"][0])
    count = len(skipped_m)
    rows = {
        "index": skipped_m,
        "label": labels_m,
        "loss": pa.nulls(count, pa.float32()),
        "classes": [[NO_CLASS] * kept] * count,
        "log_probabilities": [[-np.inf] * kept] * count,
    }
    return merged([table, pa.table(rows, schema=SCHEMA)])


def skipped_rows(table: pa.Table) -> NDArray[np.bool_]:
    """A mask of the rows of images that could not be read (N,)."""
    classes_nk = np.stack(table["classes"].to_numpy())
    is_skipped_n: NDArray[np.bool_] = classes_nk[:, 0] == NO_CLASS
    return is_skipped_n


def write_predictions(table: pa.Table, originals_n: NDArray[np.int64], path: Path) -> None:
    """Write the table as parquet, in one step.

    Args:
        table: predictions, of ``SCHEMA``.
        originals_n: the original of each image of the split (N,), whose places ``index`` counts.
        path: of the file.
    """
    table = table.append_column(ORIGINAL, [originals_n[table["index"].to_numpy()]])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(path)


def errors_of(table: pa.Table, top_k: Sequence[int]) -> dict[int, float]:
    """Top-k error, percent, for each k, counted from stored predictions.

    Raises:
        ValueError: a k is larger than the number of classes stored.
    """
    labels_n = table["label"].to_numpy()
    classes_nk = np.stack(table["classes"].to_numpy())
    if max(top_k) > classes_nk.shape[1]:
        raise ValueError(f"top_k = {list(top_k)}: at most {classes_nk.shape[1]} classes are stored")
    hits_nk = classes_nk == labels_n[:, None]
    return {k: 100.0 * float(1 - hits_nk[:, :k].any(axis=1).mean()) for k in top_k}


def scores_of(table: pa.Table, top_k: Sequence[int]) -> ProtocolErrors:
    """``loss``, ``top<k>_error`` in percent and the number of ``images``: a part of a result.

    An image that could not be read counts as an error; the loss is the mean of the others."""
    # Four decimals tell apart any two counts of up to a million images.
    errors = {f"top{k}_error": round(e, 4) for k, e in errors_of(table, top_k).items()}
    loss = float(table["loss"].drop_null().to_numpy().astype(np.float64).mean())
    return cast("ProtocolErrors", {"loss": loss} | errors | {"images": len(table)})


def most_wrong(table: pa.Table, count: int) -> list[tuple[int, int, int, float, float]]:
    """``(index, label, prediction, P(prediction), P(label))`` of the images whose label the net
    found least likely, those first; a label that is not among the stored classes counts as 0. Of
    images that could be read."""
    table = table.filter(~skipped_rows(table))
    labels_n = table["label"].to_numpy()
    classes_nk = np.stack(table["classes"].to_numpy())
    likelihoods_nk = np.exp(np.stack(table["log_probabilities"].to_numpy()))
    of_label_n = (likelihoods_nk * (classes_nk == labels_n[:, None])).sum(axis=1)
    indices_n = table["index"].to_numpy()
    chosen = np.lexsort((indices_n, of_label_n))[:count]
    return [
        (
            int(indices_n[i]),
            int(labels_n[i]),
            int(classes_nk[i, 0]),
            float(likelihoods_nk[i, 0]),
            float(of_label_n[i]),
        )
        for i in chosen
    ]
