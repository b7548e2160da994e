"""The LightningModule: one step of training and validation of any net."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from vgglab.config import Config
from vgglab.data.errors import DataError
from vgglab.data.keyed_random import dropout_keys
from vgglab.data.loaders import Batch
from vgglab.data.order import largest_part
from vgglab.evaluation.poison import poison
from vgglab.models.batch_norm import share_running_moments
from vgglab.models.dropout import dropout_layers, keyed_dropout
from vgglab.models.kernels.select import keep_rounded, updates_in_cpp
from vgglab.models.kernels.sgd import OnePassSGD
from vgglab.models.linear import Exchange, exchanged_factors, factored_layers
from vgglab.training.averaging import AveragedNet
from vgglab.training.meters import SplitMeter
from vgglab.training.optimisation import lambda_rule, optimizer_of
from vgglab.training.outcomes import Diverged
from vgglab.training.result import SELECTION_METRIC

ACCUMULATE = "micro_batches_of_a_step"
"""Key of a checkpoint."""


class Classifier(pl.LightningModule):
    """The cross entropy of a net, minimised by the recipe's optimiser; errors are counted.

    A step's loss is the mean over its images, however they are divided over processes and
    micro-batches. What is random is keyed by epoch and sample.

    Args:
        net: gives logits (N, K) of images (N, C, H, W).
        config: of the run, resolved for this machine.
        steps_per_epoch: of the optimiser.
    """

    def __init__(self, net: nn.Module, config: Config, *, steps_per_epoch: int) -> None:
        super().__init__()
        self.net = net
        self.config = config
        self._dropout_layers = dropout_layers(net)
        by_factors = config.trainer.head_gradients == "factors" and config.processes > 1
        self.factored_layers = tuple(factored_layers(net).values()) if by_factors else ()
        """Those whose gradients are not summed over processes, for their factors are exchanged."""
        # Lightning's estimated_stepping_batches would start the loader before a checkpoint has set
        # the epoch.
        self._steps_per_epoch = steps_per_epoch
        self.train_meter = SplitMeter(config.protocol.top_k)
        self.validation_meter = SplitMeter(config.protocol.top_k)
        self.results: dict[str, dict[str, float]] = {}
        """Values of the latest finished pass over each split."""
        self.logits_poison = torch.zeros(())
        """0, or NaN if logits of the latest step are not finite, whatever the loss is."""

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Logits (N, K) of normalised images (N, C, H, W)."""
        logits_nk: Tensor = self.net(images_nchw)
        return logits_nk

    def _meter(self, split: str) -> SplitMeter:
        return {"train": self.train_meter, "validation": self.validation_meter}[split]

    def _loss_sum(self, batch: Batch, split: str) -> Tensor:
        logits_nk = self(batch.images_nchw).float()
        smoothing = self.config.recipe.label_smoothing if split == "train" else 0.0
        loss = nn.functional.cross_entropy(
            logits_nk, batch.labels_n, reduction="sum", label_smoothing=smoothing
        )
        self.logits_poison = poison(logits_nk)
        self._meter(split).update(
            logits_nk.detach(), batch.labels_n, loss.detach() + self.logits_poison
        )
        return loss

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a micro-batch, scaled so that those of a step add up to its mean loss."""
        keys_n = batch.draws.get("dropout")
        if keys_n is None:  # a batch that no loader has made
            drawn = dropout_keys(self.config.seed, batch.epoch, batch.samples_n)
            keys_n = torch.from_numpy(drawn).to(batch.labels_n.device)
        exchange = Exchange(
            rows=largest_part(batch.step_images, self.config.parts),
            in_bf16=self.config.trainer.compress_gradients == "bf16",
        )
        with (
            keyed_dropout(self._dropout_layers, keys_n),
            exchanged_factors(self.factored_layers, exchange),
        ):
            loss_sum = self._loss_sum(batch, "train")
        # Processes average their gradients and Lightning divides by the number of micro-batches.
        # Multiplied by the number of parts, the result is the mean over all images of the step,
        # even if the parts differ in size.
        return loss_sum / batch.step_images * self.config.parts

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the errors of a batch."""
        self._loss_sum(batch, "validation")

    def on_validation_epoch_start(self) -> None:
        self._meter("validation").reset()  # after a validation that was cut short
        if self.trainer.world_size > 1 and self.config.trainer.batch_norm == "local":
            share_running_moments(self.net)

    def on_validation_epoch_end(self) -> None:
        self.close("validation")
        error = self.results["validation"]["top1_error"]
        # Equal in every process: a mean could differ from it by rounding, a maximum cannot.
        self.log(SELECTION_METRIC, error, logger=False, sync_dist=True, reduce_fx="max")

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

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make a checkpoint that any number of processes and micro-batches can resume from."""
        checkpoint[ACCUMULATE] = self.config.trainer.accumulate
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, AveragedNet):
                callback.put_into(checkpoint)
        if self.trainer.world_size > 1:
            for name, value in self.train_meter.state_of_all().items():
                checkpoint["state_dict"][f"train_meter.{name}"] = value

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Convert the count of batches to this run's micro-batches; steps stay as they are.

        Raises:
            DataError: other code wrote it, with other contents.
        """
        if missing := self.state_dict().keys() - checkpoint["state_dict"].keys():
            raise DataError(
                f"the checkpoint has no {min(missing)}: it was written by other code; go on with "
                "that, or remove the run's checkpoints to train it anew"
            )
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for counts in (progress["total"], progress["current"]):
            # Within an epoch it was written before Lightning counted the batch as completed; the
            # difference tells Lightning so.
            open_batches = counts["processed"] - counts["completed"]
            for name in ("ready", "started", "processed"):
                steps = counts[name] // checkpoint[ACCUMULATE]
                counts[name] = steps * self.config.trainer.accumulate
            counts["completed"] = counts["processed"] - open_batches

    def on_train_start(self) -> None:
        if self.global_rank:
            self.train_meter.reset()  # the first process has the sums of all

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Scale a step's gradient down, after all that looks at it has seen it whole.

        Lightning's own refuses a fused optimiser in bf16, because of a scaling that only fp16 has.

        Args:
            optimizer: about to use the gradients.
            gradient_clip_val: Lightning's setting, which is not used.
            gradient_clip_algorithm: Lightning's setting, which is not used.
        """
        if self.config.recipe.clip_gradients:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.config.recipe.clip_gradients)

    @property
    def step_rate(self) -> float:
        """The learning rate of the latest step: the schedule has set that of the next one."""
        rule = self.lr_schedulers()
        if isinstance(rule, LambdaLR):
            return float(rule.base_lrs[0] * rule.lr_lambdas[0](rule.last_epoch - 1))
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The recipe's optimiser and, but for ``plateau``, its schedule."""
        recipe = self.config.recipe
        optimizer = optimizer_of(recipe, self.net.parameters(), self.config.trainer.fused_optimizer)
        if updates_in_cpp(self.config):
            assert isinstance(optimizer, torch.optim.SGD)
            optimizer = OnePassSGD(optimizer, keep_rounded(self.net))
        if recipe.schedule.name == "plateau":
            return optimizer  # the rule is a callback: see PlateauRule
        rule = lambda_rule(
            optimizer,
            recipe.schedule,
            steps_per_epoch=self._steps_per_epoch,
            epochs=recipe.epochs,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rule, "interval": "step"}}
