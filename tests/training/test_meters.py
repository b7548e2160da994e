"""Values of a split are over its images, not over its batches."""

from __future__ import annotations

import math

import pytest
import torch

from vgglab.training.meters import SplitMeter


def test_the_loss_is_the_mean_over_images_whatever_the_batches() -> None:
    # torchmetrics' MeanMetric drops the weights where it is told to let NaN through.
    generator = torch.Generator().manual_seed(0)
    logits_nk, labels_n = torch.randn(10, 4, generator=generator), torch.arange(10) % 4
    losses_n = torch.nn.functional.cross_entropy(logits_nk, labels_n, reduction="none")
    meter = SplitMeter((1,))
    for part in (slice(0, 9), slice(9, 10)):
        meter.update(logits_nk[part], labels_n[part], losses_n[part].sum())
    assert meter.values()["loss"] == pytest.approx(float(losses_n.mean()))


def test_a_loss_that_is_not_a_number_shows() -> None:
    meter = SplitMeter((1,))
    meter.update(torch.zeros(2, 4), torch.tensor([0, 1]), torch.tensor(math.nan))
    meter.update(torch.zeros(2, 4), torch.tensor([0, 1]), torch.tensor(1.0))
    assert math.isnan(meter.values()["loss"])


@pytest.mark.parametrize("logits", ["random", "all equal", "few values"])
def test_errors_are_those_of_torchmetrics(logits: str) -> None:
    from torchmetrics.classification import MulticlassAccuracy

    draw = torch.Generator().manual_seed(0)
    meter = SplitMeter((1, 3))
    references = {k: MulticlassAccuracy(8, top_k=k, average="micro") for k in (1, 3)}
    for size in (50, 50, 0, 7):
        labels_n = torch.randint(8, (size,), generator=draw)
        logits_nk = {
            "random": torch.randn(size, 8, generator=draw),
            "all equal": torch.zeros(size, 8),
            "few values": torch.randint(3, (size, 8), generator=draw).float(),
        }[logits]
        meter.update(logits_nk, labels_n, torch.tensor(1.0))
        for reference in references.values():
            if size:
                reference.update(logits_nk, labels_n)
    found = meter.values()
    for k, reference in references.items():
        expected = 100 * (1 - float(reference.compute()))
        assert found[f"top{k}_error"] == pytest.approx(expected, abs=1e-3)


def test_counts_are_kept_and_forgotten() -> None:
    meter, other = SplitMeter((1,)), SplitMeter((1,))
    meter.update(torch.eye(4), torch.tensor([0, 1, 2, 0]), torch.tensor(8.0))
    other.load_state_dict(meter.state_dict())
    assert other.values() == meter.values() == {"loss": 2.0, "top1_error": 25.0}
    meter.reset()
    meter.update(torch.eye(4), torch.arange(4), torch.tensor(4.0))
    assert meter.values() == {"loss": 1.0, "top1_error": 0.0}
