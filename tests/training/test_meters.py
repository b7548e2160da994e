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
    meter = SplitMeter(4, (1,))
    for part in (slice(0, 9), slice(9, 10)):
        meter.update(logits_nk[part], labels_n[part], losses_n[part].sum())
    assert meter.values()["loss"] == pytest.approx(float(losses_n.mean()))


def test_a_loss_that_is_not_a_number_shows() -> None:
    meter = SplitMeter(4, (1,))
    meter.update(torch.zeros(2, 4), torch.tensor([0, 1]), torch.tensor(math.nan))
    meter.update(torch.zeros(2, 4), torch.tensor([0, 1]), torch.tensor(1.0))
    assert math.isnan(meter.values()["loss"])
