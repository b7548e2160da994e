"""Error and loss of a split, summed over processes exactly."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class StepLoss:
    """Sums the losses of a step's micro-batches, each already divided by their number."""

    def __init__(self) -> None:
        self._so_far: Tensor | None = None

    def after(self, micro_batch: int, of_each_step: int, loss: Tensor) -> Tensor | None:
        """Add the loss of a micro-batch.

        Args:
            micro_batch: its index within the epoch, from 0.
            of_each_step: micro-batches of a step.
            loss: the mean loss of its images, divided by ``of_each_step``.

        Returns:
            The loss of the step after its last micro-batch; None before.
        """
        total = loss if self._so_far is None else self._so_far + loss
        goes_on = (micro_batch + 1) % of_each_step
        self._so_far = total if goes_on else None
        return None if goes_on else total


class SplitMeter(Metric):
    """Error and loss of one split, over every image seen since the last reset.

    One metric of three sums, so that torchmetrics adds them over processes and keeps them in
    checkpoints. A metric for each of them took 2% of a small net's step.
    """

    full_state_update = False
    wrong_k: Tensor
    """Images without their label among the k most likely classes, for each k."""
    loss_sum: Tensor
    images: Tensor

    def __init__(self, top_k: tuple[int, ...]) -> None:
        super().__init__()
        self._top_k = top_k
        zeros: dict[str, Tensor] = {
            "wrong_k": torch.zeros(len(top_k), dtype=torch.int64),
            "loss_sum": torch.zeros(()),
            "images": torch.zeros((), dtype=torch.int64),
        }
        for name, zero in zeros.items():
            self.add_state(name, zero, dist_reduce_fx="sum", persistent=True)

    def update(self, logits_nk: Tensor, labels_n: Tensor, loss_sum: Tensor) -> None:
        """Count this process's part of a batch; it may be empty.

        Args:
            logits_nk: class scores (N, K).
            labels_n: classes of the images (N,).
            loss_sum: sum of the images' losses, a scalar.
        """
        if not len(labels_n):
            return
        # The first of equal logits counts, as in torchmetrics: a dead net is not always right.
        wrong = [
            (logits_nk.argmax(1) != labels_n).sum()
            if k == 1
            else (logits_nk.topk(k).indices != labels_n[:, None]).all(1).sum()
            for k in self._top_k
        ]
        # Not in place: a state dict may share the memory.
        self.wrong_k = self.wrong_k + torch.stack(wrong)
        self.loss_sum = self.loss_sum + loss_sum
        self.images = self.images + len(labels_n)

    def compute(self) -> Tensor:
        """The mean loss, as torchmetrics requires this method; see ``values`` for the rest."""
        return self.loss_sum / self.images

    def values(self) -> dict[str, float]:
        """``loss`` and ``top<k>_error`` in percent, over the images of all processes."""
        with self.sync_context():
            loss, images = float(self.loss_sum / self.images), int(self.images)
            wrong_k = self.wrong_k.tolist()
        # Four decimals tell apart any two counts of up to a million images.
        errors = {
            f"top{k}_error": round(100 * wrong / images, 4)
            for k, wrong in zip(self._top_k, wrong_k, strict=True)
        }
        return {"loss": loss} | errors

    def state_of_all(self) -> dict[str, Tensor]:
        """The state dict that one process alone would have."""
        with self.sync_context():
            return {name: value.clone() for name, value in self.state_dict().items()}
