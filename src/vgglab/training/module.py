"""The LightningModule: one step of training, validation and test of any net."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from vgglab.config import Config
from vgglab.data.batches import Batch
from vgglab.evaluation.predictions import PredictionCollector
from vgglab.evaluation.protocols import PROTOCOLS
from vgglab.training.schedules import lambda_rule

SELECTION_METRIC = "validation/top1_error"


class Diverged(Exception):
    """The loss or the logits stopped being finite."""


def split_metrics(classes: int, top_k: tuple[int, ...]) -> MetricCollection:
    """Loss and top-k accuracy of a split, as states that a checkpoint keeps."""
    metrics: dict[str, Any] = {
        # Micro: the share of images, not the mean over classes that torchmetrics defaults to.
        f"top{k}_error": MulticlassAccuracy(classes, top_k=k, average="micro")
        for k in top_k
    }
    collection = MetricCollection(metrics, compute_groups=False)
    collection.persistent(True)
    return collection


class SplitMeter(nn.Module):
    """Error and loss of one split, over every image seen since the last reset."""

    def __init__(self, classes: int, top_k: tuple[int, ...]) -> None:
        super().__init__()
        self.accuracies = split_metrics(classes, top_k)
        self.loss = MeanMetric(nan_strategy="disable")  # a NaN must show, not be left out
        self.loss.persistent(True)

    def update(self, logits_nk: Tensor, labels_n: Tensor, loss: Tensor) -> None:
        """Count a batch; ``loss`` is its mean."""
        self.accuracies.update(logits_nk, labels_n)
        self.loss.update(loss, weight=len(labels_n))

    def values(self) -> dict[str, float]:
        """``loss`` and ``top<k>_error`` in percent."""
        # torchmetrics computes in float32: without rounding, 76.1 would read 76.1000007. Four
        # decimals tell apart any two counts of up to a million images.
        errors = {
            name: round(100.0 * (1.0 - float(value)), 4)
            for name, value in self.accuracies.compute().items()
        }
        return {"loss": float(self.loss.compute())} | errors

    def reset(self) -> None:
        """Forget every image."""
        self.accuracies.reset()
        self.loss.reset()


def step_seed(seed: int, step: int) -> int:
    """Seed of the dropout masks of one step: a resumed step draws what it would have drawn."""
    return (seed * 0x9E3779B1 + step * 0x85EBCA77 + 1) % 2**63


class Classifier(pl.LightningModule):
    """Cross entropy by SGD with momentum, errors by torchmetrics, randomness keyed by the step."""

    def __init__(self, net: nn.Module, config: Config, *, steps_per_epoch: int) -> None:
        super().__init__()
        self.net = net
        self.config = config
        # Asked of Lightning (estimated_stepping_batches), it would start the loader before a
        # checkpoint has said in which epoch.
        self._steps_per_epoch = steps_per_epoch
        classes, top_k = config.data.classes, config.protocol.top_k
        self.train_meter = SplitMeter(classes, top_k)
        self.validation_meter = SplitMeter(classes, top_k)
        self.test_meter = SplitMeter(classes, top_k)
        self.predictions = PredictionCollector()
        self.results: dict[str, dict[str, float]] = {}
        """Latest finished values by split."""

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Logits (N, K) of normalised images (N, C, H, W)."""
        logits_nk: Tensor = self.net(images_nchw)
        return logits_nk

    def _meter(self, split: str) -> SplitMeter:
        return {
            "train": self.train_meter,
            "validation": self.validation_meter,
            "test": self.test_meter,
        }[split]

    def _loss(self, batch: Batch, split: str) -> Tensor:
        logits_nk = self(batch.images_nchw).float()
        loss = nn.functional.cross_entropy(logits_nk, batch.labels_n)
        self._meter(split).update(logits_nk.detach(), batch.labels_n, loss.detach())
        return loss

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        torch.manual_seed(step_seed(self.config.seed, self.global_step))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._loss(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._loss(batch, "validation")

    def on_test_epoch_start(self) -> None:
        self.predictions = PredictionCollector()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        protocol = PROTOCOLS[self.config.protocol.name]
        log_probabilities_nk = protocol(self.net, batch.images_nchw)
        loss = nn.functional.nll_loss(log_probabilities_nk, batch.labels_n)
        self._meter("test").update(log_probabilities_nk, batch.labels_n, loss)
        self.predictions.add(batch.samples_n, batch.labels_n, log_probabilities_nk)

    def on_validation_epoch_start(self) -> None:
        self._meter("validation").reset()  # the sanity check, or a validation that was cut short

    def on_validation_epoch_end(self) -> None:
        self.close("validation")
        # Before the first epoch ends, nothing may select by this value.
        self.log(SELECTION_METRIC, self.results["validation"]["top1_error"], logger=False)

    def on_test_epoch_end(self) -> None:
        self.close("test")

    def close(self, split: str) -> None:
        """End a pass over a split: its values go to ``results`` and its meter starts anew.

        Raises:
            Diverged: the loss over the split is not finite.
        """
        meter = self._meter(split)
        self.results[split] = meter.values()
        meter.reset()
        loss = self.results[split]["loss"]
        if not math.isfinite(loss):
            raise Diverged(f"{split} loss = {loss} in epoch {self.current_epoch + 1}")

    def records(self, *splits: str) -> dict[str, float]:
        """``<split>/<metric>`` of the latest finished values."""
        return {
            f"{split}/{name}": value
            for split in splits
            for name, value in self.results[split].items()
        }

    def configure_optimizers(self) -> OptimizerLRScheduler:
        recipe = self.config.recipe
        optimizer = torch.optim.SGD(
            self.net.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=True,  # unfused, CPU SGD makes a temporary as large as the largest weight
        )
        if recipe.schedule.name == "plateau":
            return optimizer  # the rule is a callback: see PlateauRule
        rule = lambda_rule(
            optimizer,
            recipe.schedule,
            steps_per_epoch=self._steps_per_epoch,
            epochs=recipe.epochs,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rule, "interval": "step"}}
