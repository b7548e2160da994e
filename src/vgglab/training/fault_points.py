"""Moments of a run at which its process may die, told to whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytorch_lightning as pl


class Moment(StrEnum):
    """What has just happened, in the order of a run."""

    BATCH = "batch"
    """A batch was trained on. Told with its number within the epoch, and the batch."""
    VALIDATION = "validation"
    """A batch of the validation was done."""
    EPOCH_END = "epoch_end"
    """The epoch's record is written, its checkpoints are not."""
    WRITING = "writing"
    """A checkpoint is in its temporary file but for what the process still holds back."""
    RENAMING = "renaming"
    """``last.ckpt`` is called ``previous.ckpt``, and the new one not yet ``last.ckpt``."""
    TEST = "test"
    """A batch of the test was done."""


OnMoment = Callable[[Moment, Any], None]


def ignore(moment: Moment, what: Any = None) -> None:
    """Nobody asked."""


class Teller(pl.Callback):
    """Tells of the moments that Lightning knows."""

    def __init__(self, on_moment: OnMoment) -> None:
        self._on_moment = on_moment

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        self._on_moment(Moment.BATCH, (index, batch))

    def on_validation_batch_end(self, *_: Any) -> None:
        self._on_moment(Moment.VALIDATION, None)

    def on_train_epoch_end(self, *_: Any) -> None:
        self._on_moment(Moment.EPOCH_END, None)
