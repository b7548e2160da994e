"""Checkpoints within an epoch: at intervals, and when a signal asks the run to stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import pytorch_lightning as pl

from vgglab.runs import RunDirectory
from vgglab.signals import StopRequest
from vgglab.training.distributed import ProcessGroup


class Interrupted(Exception):
    """The run was asked to stop; the checkpoint is written."""


class Action(IntEnum):
    """An action at the end of a step; all processes take the largest that one of them needs."""

    GO_ON = 0
    SAVE = 1
    STOP = 2


class CheckpointWithinEpoch(pl.Callback):
    """Writes ``last.ckpt`` within an epoch: at intervals, and before it stops the run on request.

    A signal reaches the processes of a run at different times. They agree on the step: one that
    wrote its checkpoint alone would wait for the others forever.
    """

    def __init__(
        self, directory: RunDirectory, request: StopRequest, group: ProcessGroup, minutes: float
    ) -> None:
        """
        Args:
            directory: the run's directory.
            request: notes a signal to stop.
            group: the processes of the run.
            minutes: longest time without a checkpoint; 0: checkpoints at ends of epochs alone.
        """
        self._directory, self._request, self._group = directory, request, group
        self._seconds = minutes * 60
        self._saved = time.monotonic()

    def _needed_action(self) -> Action:
        if self._request.noted is not None:
            return Action.STOP
        due = self._group.world.is_first and time.monotonic() - self._saved >= self._seconds
        return Action.SAVE if self._seconds and due else Action.GO_ON

    def _stop(self) -> None:
        noted = self._request.noted
        raise Interrupted(noted.name if noted is not None else "a signal to another process")

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Agree on an action at the end of a step, and take it.

        Args:
            trainer: Lightning's.
            module: the classifier.
            outputs: the loss of the micro-batch, under ``loss``.
            batch: the micro-batch.
            index: its index within the epoch, from 0.
        """
        if (index + 1) % trainer.accumulate_grad_batches:
            return
        action = self._group.largest_before(self._needed_action())
        if action == Action.GO_ON or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            return  # the epoch's own checkpoint follows
        trainer.save_checkpoint(self._directory.last_checkpoint)
        self._saved = time.monotonic()
        if action == Action.STOP:
            self._stop()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._saved = time.monotonic()  # the last epoch's checkpoint is complete
        if self._group.largest(self._needed_action()) == Action.STOP:
            self._stop()

    def stop_if_asked(self) -> None:
        """Stop between two batches of the test: the training's checkpoints are complete."""
        if self._request.noted is not None:
            self._stop()


@contextlib.contextmanager
def as_interrupted(request: StopRequest) -> Iterator[None]:
    """Take a ``RuntimeError`` after a signal to stop for its consequence.

    Another process may have ended before this one reached a step to stop at.

    Raises:
        Interrupted: the block failed after a signal.
    """
    try:
        yield
    except RuntimeError as error:
        if request.noted is None:
            raise
        raise Interrupted(request.noted.name) from error
