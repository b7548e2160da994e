"""Callbacks around the steps: records, heartbeat, the plateau rule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import pytorch_lightning as pl

from vgglab.config import ScheduleConfig
from vgglab.runs import MetricsLog, Record, RunDirectory, Status
from vgglab.training.checkpoints import RECORDS
from vgglab.training.distributed import ProcessGroup
from vgglab.training.gradients import GradientNorms
from vgglab.training.meters import StepLoss
from vgglab.training.module import Classifier
from vgglab.training.optimisation import Plateau
from vgglab.training.speed import SpeedMeter

HEARTBEAT_SECONDS = 5.0


class Sink(Protocol):
    """A receiver of records besides ``metrics.jsonl``."""

    def start(self, history: Sequence[Record]) -> None:
        """Begin, with the records of earlier attempts."""

    def record(self, record: Record) -> None:
        """Take one more record."""


class Recorder(pl.Callback):
    """Writes a record every ``log_every`` steps, and one with each split's values every epoch."""

    def __init__(
        self,
        log: MetricsLog,
        sinks: Sequence[Sink],
        speed: SpeedMeter,
        gradients: GradientNorms | None,
        group: ProcessGroup,
    ) -> None:
        """
        Args:
            log: ``metrics.jsonl``.
            sinks: further receivers of the records.
            speed: measures the steps.
            gradients: measures gradients; None: they are not recorded.
            group: the processes of the run, of which the first one writes.
        """
        self._log, self._sinks, self._speed, self._gradients = log, sinks, speed, gradients
        self._group = group
        self._loss = StepLoss()
        self._held: dict[str, float] = {}
        """Values of an epoch's last step, which belong to the epoch's record: one record a step."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Record the step's loss if it is one to record.

        Args:
            trainer: Lightning's.
            module: the classifier.
            outputs: the loss of the micro-batch, under ``loss``.
            batch: the micro-batch.
            index: its index within the epoch, from 0.
        """
        assert isinstance(module, Classifier)
        of_step = self._loss.after(index, trainer.accumulate_grad_batches, outputs["loss"])
        if of_step is None:
            return
        if trainer.global_step % module.config.trainer.log_every == 0:
            loss = self._group.mean(float(of_step))
            done = trainer.current_epoch, (index + 1) // trainer.accumulate_grad_batches
            norms = self._gradients.values() if self._gradients else {}
            values = {"train/step_loss": loss} | norms | self._speed.of_step()
            if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
                self._held = values
            else:
                self._write(trainer, module, *done, values)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Classifier)
        module.close("train")  # here: Lightning calls callbacks before the module's own hook
        # Each process computes the values, because that sums their counts; one keeps them.
        values = module.records("train", "validation") | self._speed.values() | self._held
        self._held = {}
        self._write(trainer, module, trainer.current_epoch + 1, 0, values)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Enter into a checkpoint which records are before it.

        Args:
            trainer: Lightning's.
            module: the classifier.
            checkpoint: about to be written, by the first process.
        """
        checkpoint[RECORDS] = dict(self._log.mark())

    def _write(
        self,
        trainer: pl.Trainer,
        module: Classifier,
        epochs: int,
        steps: int,
        values: dict[str, float],
    ) -> None:
        """Write a record after whole epochs and some steps of the next; its last one is smaller."""
        if not self._group.world.is_first:
            return
        # Lightning sets the attribute from ``fit(datamodule=...)`` and does not declare it.
        images: int = trainer.datamodule.train_images  # type: ignore[attr-defined]
        seen = epochs * images + min(steps * module.config.recipe.batch_size, images)
        record: Record = {
            "step": trainer.global_step,
            "epoch": round(seen / images, 6),
            "images_seen": seen,
            "time": time.time(),
            "learning_rate": module.step_rate,
            **values,
        }
        self._log.record(record)
        for sink in self._sinks:
            sink.record(record)


class Heartbeat(pl.Callback):
    """Keeps ``status.json`` fresh, so that others can tell a slow run from a dead one."""

    def __init__(self, directory: RunDirectory, status: Status) -> None:
        self._directory, self._status, self._last = directory, status, 0.0

    def beat(self) -> None:
        """Write the status, at most every ``HEARTBEAT_SECONDS``."""
        if time.monotonic() - self._last >= HEARTBEAT_SECONDS:
            self._write()

    def _write(self) -> None:
        self._last = time.monotonic()
        self._status.heartbeat = time.time()
        self._status.write(self._directory.status)

    def on_train_batch_end(self, *_: Any) -> None:
        self.beat()

    def on_validation_batch_end(self, *_: Any) -> None:
        self.beat()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Classifier)
        self._status.epoch = trainer.current_epoch + 1
        self._status.validation_error = module.results["validation"]["top1_error"]
        self._write()


class PlateauRule(pl.Callback):
    """Drops the learning rate at plateaus and ends the training at the one after the last drop.

    A callback, because Lightning steps a plateau scheduler only after it has written the epoch's
    checkpoint: a run resumed from it would have missed a step of the rule.
    """

    def __init__(self, schedule: ScheduleConfig) -> None:
        self._schedule = schedule
        self._state: dict[str, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._rule = Plateau(trainer.optimizers[0], self._schedule)
        if self._state:
            self._rule.load_state_dict(self._state)
        trainer.should_stop = self._rule.is_exhausted

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Classifier)
        self._rule.step(module.results["validation"]["top1_error"])
        trainer.should_stop = self._rule.is_exhausted

    def state_dict(self) -> dict[str, Any]:
        """The rule's state, for a checkpoint."""
        return self._rule.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint when the training starts."""
        self._state = state_dict
