"""Divergence: a run ends at the first step whose logits, loss or gradients are not finite.

The optimiser never uses such a step, so that the weights stay those of the step before. Logits and
loss spoil the gradients on purpose: a NaN in one process's loss is in every process's gradients
once these are averaged, and all of them end at the same step without an exchange of their own.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from vgglab.evaluation.poison import poison
from vgglab.models.kernels.finite import are_finite
from vgglab.runs import RunDirectory
from vgglab.training.checkpoints import AtomicCheckpointIO
from vgglab.training.distributed import ProcessGroup
from vgglab.training.module import Classifier
from vgglab.training.outcomes import Diverged

log = logging.getLogger(__name__)


class FiniteWatch(pl.Callback):
    """Ends a run with ``Diverged`` at the first step that is not finite.

    ``at_once``: it looks at every step. Otherwise, on a GPU, which would have to wait for each
    look, it looks every so many steps and before every checkpoint; in between the fused optimiser
    leaves out, on the device, a step that is not finite and all after it. The state found later is
    that before the first such step, whose number is counted on the device.
    """

    def __init__(
        self,
        directory: RunDirectory,
        group: ProcessGroup,
        *,
        every: int,
        at_once: bool = True,
        in_cpp: bool = False,
    ) -> None:
        """
        Args:
            directory: the run's directory, for the last finite state.
            group: the processes of the run.
            every: steps between two looks.
            at_once: look at every step.
            in_cpp: look by the kernel, on a CPU.
        """
        self._directory, self._group, self._every, self._at_once = directory, group, every, at_once
        self._in_cpp = in_cpp
        self._bad: dict[str, Tensor] = {}
        """Logits and loss: NaN if any was not finite since the last look."""
        self._found_inf: Tensor | None = None
        """1 from the first step that is not finite; the fused optimiser reads it."""
        self._finite_since: Tensor | None = None
        """Finite steps since the last look."""
        self._finite_steps = 0
        """Steps that were finite at the last look."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._finite_steps = trainer.global_step
        self._found_inf, self._finite_since = (
            torch.zeros((), device=module.device) for _ in range(2)
        )

    def on_before_backward(
        self, trainer: pl.Trainer, module: pl.LightningModule, loss: Tensor
    ) -> None:
        """Add 0 to the loss's gradient, or NaN where logits or loss are not finite.

        Args:
            trainer: Lightning's.
            module: the classifier.
            loss: of the micro-batch.
        """
        assert isinstance(module, Classifier)
        shown = {"logits": module.logits_poison, "loss": poison(loss)}
        for name, value in shown.items():
            self._bad[name] = self._bad[name] + value if name in self._bad else value
        total = shown["logits"] + shown["loss"]
        loss.register_hook(lambda gradient: gradient + total)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Note whether the step is finite, and leave it out otherwise.

        Args:
            trainer: Lightning's.
            module: the classifier.
            optimizer: about to use the gradients.

        Raises:
            Diverged: it is not, and looks are made at once.
        """
        weights = (p for group in optimizer.param_groups for p in group["params"])
        gradients = [gradient for p in weights if (gradient := p.grad) is not None]
        if gradients[0].is_cuda:
            is_bad = ~get_total_norm(gradients, norm_type=math.inf).isfinite()
        else:
            is_finite = are_finite(gradients, in_cpp=self._in_cpp)
            if self._at_once and is_finite:
                self._finite_steps += 1
                self._bad = {}
                return
            is_bad = torch.tensor(not is_finite)
        assert self._found_inf is not None
        assert self._finite_since is not None
        # In place, and the same tensor at every step: a captured graph of a step could hold it.
        self._found_inf.copy_(torch.maximum(self._found_inf, is_bad.float()))
        self._finite_since += 1 - self._found_inf
        if self._at_once:
            self._look(module)
        else:
            optimizer.found_inf = self._found_inf  # type: ignore[attr-defined]

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Look at the values since the last look, before the step's loss is recorded.

        Args:
            trainer: Lightning's.
            module: the classifier.
            outputs: the loss of the micro-batch, under ``loss``.
            batch: the micro-batch.
            index: its index within the epoch, from 0.
        """
        goes_on = (index + 1) % trainer.accumulate_grad_batches
        if not (self._at_once or goes_on or trainer.global_step % self._every):
            self._look(module)  # before the step's loss is recorded

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Look before a checkpoint, so that its state is finite.

        Args:
            trainer: Lightning's.
            module: the classifier.
            checkpoint: about to be written.

        Raises:
            Diverged: the state is not finite.
        """
        self._look(module)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._look(module)

    def _look(self, module: pl.LightningModule) -> None:
        """Read the values from the device.

        Raises:
            Diverged: a step since the last look was not finite.
        """
        assert self._found_inf is not None
        assert self._finite_since is not None
        self._finite_steps += int(self._finite_since)
        self._finite_since.zero_()
        if not bool(self._found_inf):
            self._bad = {}
            return
        step, cause = self._finite_steps + 1, self._cause()
        if self._group.world.is_first:
            self._keep(module)
        raise Diverged(f"{cause} not finite at step {step}", step=step)

    def _cause(self) -> str:
        """The first of logits, loss and gradients that is not finite in any process."""
        seen = [
            self._group.largest(int(name in self._bad and bool(self._bad[name].isnan())))
            for name in ("logits", "loss")
        ]
        return "logits are" if seen[0] else "train loss is" if seen[1] else "gradients are"

    def _keep(self, module: pl.LightningModule) -> None:
        """Write the net as it was after the last finite step."""
        assert isinstance(module.net, nn.Module)
        state = {f"net.{name}": value for name, value in module.net.state_dict().items()}
        steps = self._finite_steps
        # Batch norm's running moments may not be finite, although the weights are.
        if not all(value.isfinite().all() for value in state.values()):
            log.warning("the state before step %d is not finite either, and is not kept", steps + 1)
            return
        path = self._directory.finite_checkpoint
        try:
            AtomicCheckpointIO().save_checkpoint({"state_dict": state, "global_step": steps}, path)
        except OSError as error:
            log.warning("%s: not written: %s", path, error)
