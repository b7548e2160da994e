"""The mean of stored posteriors, and what it cannot know where not all classes were stored."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from vgglab.evaluation.fusion import fused
from vgglab.evaluation.predictions import PredictionCollector, scores_of


def stored(seed: int, classes: int, images: int = 500, sharp: float = 2.0) -> pa.Table:
    """Opinions of a net that is right more often than by chance."""
    generator = torch.Generator().manual_seed(seed)
    labels_n = torch.arange(images) % classes
    logits_nk = sharp * torch.randn(images, classes, generator=generator)
    logits_nk[torch.arange(images), labels_n] += sharp
    collector = PredictionCollector()
    collector.add(np.arange(images), labels_n, logits_nk.log_softmax(1))
    return collector.table()


def errors(seeds: list[int], classes: int) -> dict[int, float]:
    """The same, from all classes."""
    tables = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        labels_n = torch.arange(500) % classes
        logits_nk = 2.0 * torch.randn(500, classes, generator=generator)
        logits_nk[torch.arange(500), labels_n] += 2.0
        tables.append(logits_nk.softmax(1))
    top_nk = torch.stack(tables).mean(0).topk(5, dim=1).indices
    hits_nk = top_nk == labels_n[:, None]
    return {k: 100 * float(1 - hits_nk[:, :k].any(1).double().mean()) for k in (1, 5)}


@pytest.mark.parametrize("classes", [10, 1000])
def test_one_run_is_itself(classes: int) -> None:
    table = stored(0, classes)
    alone = scores_of(table, (1, 5))
    found = fused([table], classes, (1, 5))
    assert {f"top{k}_error": error for k, error in found.errors.items()} == {
        name: alone[name] for name in ("top1_error", "top5_error")
    }
    assert found.is_exact
    assert found.images == 500


def test_equal_posteriors_keep_the_order_of_the_first() -> None:
    columns = {"index": [0, 1], "label": [1, 2], "classes": [[2, 1, 0], [2, 1, 0]]}
    table = pa.table(columns | {"log_probabilities": [[np.log(1 / 3)] * 3] * 2})
    assert fused([table], 3, (1,)).errors == {1: 50.0}
    assert fused([table, table], 3, (1, 2)).errors == {1: 50.0, 2: 0.0}


def test_with_all_classes_stored_the_mean_is_exact() -> None:
    found = fused([stored(seed, 10) for seed in (0, 1, 2)], 10, (1, 5))
    expected = errors([0, 1, 2], 10)
    assert found.errors[1] == pytest.approx(expected[1])
    assert found.errors[5] == pytest.approx(expected[5])
    assert found.errors[1] < scores_of(stored(0, 10), (1,))["top1_error"]
    assert found.is_exact


def test_with_20_of_1000_stored_the_truth_is_within_the_bounds() -> None:
    found = fused([stored(seed, 1000) for seed in (0, 1, 2)], 1000, (1, 5))
    assert not found.is_exact
    for k, truth in errors([0, 1, 2], 1000).items():
        low, high = found.bounds[k]
        assert low <= truth <= high
        assert low <= found.errors[k] <= high
        assert high - low < 40


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="other images"):
        fused([stored(0, 10), stored(1, 10, images=400)], 10, (1,))
    with pytest.raises(ValueError, match="other images"):
        fused([stored(0, 10), stored(1, 9)], 10, (1,))


def test_images_of_other_originals_are_refused() -> None:
    """By files that tell them, as in every other comparison of two runs image by image."""
    table = stored(0, 10)

    def of(originals_n: np.ndarray) -> pa.Table:
        return table.append_column("original", pa.array(originals_n))

    own, fours = np.arange(500), np.arange(500) // 4
    assert fused([of(fours), of(fours)], 10, (1,)).images == 500
    for silent in (table, of(own)):  # does not tell them
        assert fused([silent, of(fours)], 10, (1,)).images == 500
        with pytest.raises(ValueError, match="other images"):
            fused([silent, of(fours), of(fours[::-1])], 10, (1,))
