"""Stored predictions give the errors back, and hold each image once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from vgglab.evaluation.predictions import KEPT, PredictionCollector, errors_of, write_predictions


def collected(
    samples: int, classes: int, batch: int = 7
) -> tuple[PredictionCollector, torch.Tensor]:
    """Random opinions on random labels, added in batches; and the opinions."""
    generator = torch.Generator().manual_seed(0)
    logits_nk = torch.randn(samples, classes, generator=generator)
    log_probabilities_nk = torch.log_softmax(logits_nk, dim=1)
    labels_n = torch.randint(classes, (samples,), generator=generator)
    collector = PredictionCollector()
    for start in range(0, samples, batch):
        part = slice(start, start + batch)
        index = np.arange(samples)[part]
        collector.add(index, labels_n[part], log_probabilities_nk[part])
    return collector, log_probabilities_nk


def test_errors_are_counted_from_what_is_stored(tmp_path: Path) -> None:
    collector, log_probabilities_nk = collected(200, 30)
    path = tmp_path / "predictions" / "center.parquet"
    write_predictions(collector.table(), np.arange(200) // 4, path)
    table = pq.read_table(path)
    assert table["original"].to_pylist() == [index // 4 for index in range(200)]
    labels_n = table["label"].to_numpy()
    order_nk = log_probabilities_nk.argsort(dim=1, descending=True).numpy()
    errors = errors_of(table, (1, 5))
    for k in (1, 5):
        wrong = sum(labels_n[i] not in order_nk[i, :k] for i in range(200))
        assert errors[k] == pytest.approx(100 * wrong / 200)
    assert len(table["classes"][0]) == KEPT


def test_few_classes_are_all_kept() -> None:
    table = collected(10, 4)[0].table()
    sums = np.exp(np.stack(table["log_probabilities"].to_numpy())).sum(axis=1)
    assert np.allclose(sums, 1, atol=1e-6)
    with pytest.raises(ValueError, match="at most 4 classes are stored"):
        errors_of(table, (5,))


def test_an_image_predicted_twice_is_refused() -> None:
    collector, _ = collected(10, 4)
    collector.add(np.array([3]), torch.tensor([0]), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="predicted twice"):
        collector.table()
