"""Moments of a run at which its process may be killed, for ``task=verify`` to observe."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

import pytorch_lightning as pl


class Moment(StrEnum):
    """An event in a run, in the order of a run."""

    BATCH = "batch"
    """A batch was trained on. Comes with its index within the epoch, and the batch."""
    VALIDATION = "validation"
    """A batch of the validation was done."""
    EPOCH_END = "epoch_end"
    """The epoch's record is written, its checkpoints are not."""
    WRITING = "writing"
    """A checkpoint is in its temporary file, but for what the process still buffers."""
    RENAMING = "renaming"
    """``last.ckpt`` is called ``previous.ckpt``, and the new one not yet ``last.ckpt``."""
    TEST = "test"
    """A batch of the test was done."""


Observer = Callable[[Moment, Any], None]

_observers: list[Observer] = []


@contextlib.contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Call ``observer`` at every moment of the runs that this process trains."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def reach(moment: Moment, details: Any = None) -> None:
    """Call the observers, of which there usually are none."""
    for observer in _observers:
        observer(moment, details)


class FaultPoints(pl.Callback):
    """Reaches the moments that Lightning knows."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Reach ``BATCH``.

        Args:
            trainer: Lightning's.
            module: the classifier.
            outputs: the loss of the micro-batch, under ``loss``.
            batch: the micro-batch.
            index: its index within the epoch, from 0.
        """
        reach(Moment.BATCH, (index, batch))

    def on_validation_batch_end(self, *_: Any) -> None:
        reach(Moment.VALIDATION)

    def on_train_epoch_end(self, *_: Any) -> None:
        reach(Moment.EPOCH_END)
