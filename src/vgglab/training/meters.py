"""Error and loss of a split, summed over processes exactly."""

from __future__ import annotations

import contextlib
from typing import Any

from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection, SumMetric
from torchmetrics.classification import MulticlassAccuracy

from vgglab.evaluation.finite import poison


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


class StepLoss:
    """The loss of a step from those of its micro-batches, each already divided by their number."""

    def __init__(self) -> None:
        self._so_far: Tensor | None = None

    def after(self, micro_batch: int, of_each_step: int, loss: Tensor) -> Tensor | None:
        """The step's, once its last micro-batch is there; None while it goes on."""
        total = loss if self._so_far is None else self._so_far + loss
        goes_on = (micro_batch + 1) % of_each_step
        self._so_far = total if goes_on else None
        return None if goes_on else total


class SplitMeter(nn.Module):
    """Error and loss of one split, over every image seen since the last reset."""

    def __init__(self, classes: int, top_k: tuple[int, ...]) -> None:
        super().__init__()
        self.accuracies = split_metrics(classes, top_k)
        # A NaN must show, not be left out. A MeanMetric told so forgets its weights.
        self.loss_sum, self.images = (SumMetric(nan_strategy="disable") for _ in range(2))
        self.loss_sum.persistent(True)
        self.images.persistent(True)

    def update(self, logits_nk: Tensor, labels_n: Tensor, loss_sum: Tensor) -> None:
        """Count this process's part of a batch; it may be empty.

        A logit that is not finite makes the split's loss NaN, whatever its own image's loss is."""
        count = len(labels_n)
        if count:
            self.accuracies.update(logits_nk, labels_n)
            self.loss_sum.update(loss_sum + poison(logits_nk))
            self.images.update(count)

    def values(self) -> dict[str, float]:
        """``loss`` and ``top<k>_error`` in percent, over the images of all processes."""
        # torchmetrics computes in float32: without rounding, 76.1 would read 76.1000007. Four
        # decimals tell apart any two counts of up to a million images.
        errors = {
            name: round(100.0 * (1.0 - float(value)), 4)
            for name, value in self.accuracies.compute().items()
        }
        return {"loss": float(self.loss_sum.compute() / self.images.compute())} | errors

    def state_of_all(self) -> dict[str, Tensor]:
        """The state dict that one process alone would have."""
        with contextlib.ExitStack() as stack:
            for metric in (*self.accuracies.values(), self.loss_sum, self.images):
                assert isinstance(metric, Metric)
                stack.enter_context(metric.sync_context())
            return {name: value.clone() for name, value in self.state_dict().items()}

    def reset(self) -> None:
        """Forget every image."""
        self.accuracies.reset()
        self.loss_sum.reset()
        self.images.reset()
