"""Checkpoints within an epoch: after so many minutes, and when the run is asked to stop."""

from __future__ import annotations

import time
from enum import IntEnum
from typing import Any

import pytorch_lightning as pl

from vgglab.runs import RunDirectory
from vgglab.signals import StopRequest
from vgglab.training.distributed import Group


class Interrupted(Exception):
    """The run was asked to stop; the checkpoint is written."""


class Wish(IntEnum):
    """What a process would like at the end of a step; the largest of all is done by all."""

    GO_ON = 0
    SAVE = 1
    STOP = 2


class CheckpointWithinEpoch(pl.Callback):
    """Asked to stop: finish the step, write ``last.ckpt``, stop. Every so many minutes: write it.

    A signal reaches the processes of a run at different times. They agree on the step: one that
    wrote its checkpoint alone would wait for the others forever.
    """

    def __init__(
        self, directory: RunDirectory, request: StopRequest, group: Group, minutes: float
    ) -> None:
        self._directory, self._request, self._group = directory, request, group
        self._seconds = minutes * 60
        self._saved = time.monotonic()

    def _wish(self) -> Wish:
        if self._request.noted is not None:
            return Wish.STOP
        due = self._group.world.is_first and time.monotonic() - self._saved >= self._seconds
        return Wish.SAVE if self._seconds and due else Wish.GO_ON

    def _stop(self) -> None:
        noted = self._request.noted
        raise Interrupted(noted.name if noted is not None else "a signal to another process")

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if (index + 1) % trainer.accumulate_grad_batches:
            return
        wish = self._group.largest_before(self._wish())
        if wish == Wish.GO_ON or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return  # the epoch's own checkpoint follows
        trainer.save_checkpoint(self._directory.last_checkpoint)
        self._saved = time.monotonic()
        if wish == Wish.STOP:
            self._stop()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._saved = time.monotonic()  # the last epoch's checkpoint is complete
        if self._group.largest(self._wish()) == Wish.STOP:
            self._stop()

    def stop_if_asked(self) -> None:
        """Between two batches of the test: training is over and its checkpoints are complete."""
        if self._request.noted is not None:
            self._stop()
