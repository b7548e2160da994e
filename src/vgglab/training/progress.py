"""What the screen shows of a fit: a bar within the epoch, and a line for each that has ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vgglab.runs import Record
from vgglab.streams import plain_console
from vgglab.training.result import SELECTION_METRIC


class ProgressScreen(pl.Callback):
    """A receiver of the run's records that also counts steps; without a terminal, lines alone.

    Lightning's own bar counts epochs from 0 and shows no value that is not logged through it.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._console = plain_console(highlight=False, soft_wrap=not sys.stdout.isatty())
        self._has_terminal = self._console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[values]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, values="")
        self._loss = self._error = ""
        self._begun = time.monotonic()

    def start(self, history: Sequence[Record]) -> None:
        """Begin, with the records of earlier attempts."""
        for record in history:
            self._note(record)

    def record(self, record: Record) -> None:
        """Show the loss; of an epoch's record, its line."""
        self._note(record)
        if SELECTION_METRIC in record:
            seconds = time.monotonic() - self._begun
            self._console.print(
                f"epoch {record['epoch']:g}/{self._epochs}: loss {record['train/loss']:.3f}, "
                f"validation error {record[SELECTION_METRIC]:.2f} %, {seconds:.1f} s"
            )
            self._console.file.flush()

    def _note(self, record: Record) -> None:
        loss = record.get("train/step_loss", record.get("train/loss"))
        if loss is not None:
            self._loss = f"loss {loss:.3f}"
        if SELECTION_METRIC in record:
            self._error = f"error {record[SELECTION_METRIC]:.2f} %"
        self._bar.update(self._task, values=", ".join(filter(None, (self._loss, self._error))))

    def _describe(self, trainer: pl.Trainer, doing: str = "") -> None:
        self._bar.update(
            self._task, description=f"epoch {trainer.current_epoch + 1}/{self._epochs}{doing}"
        )

    def _stop(self) -> None:
        if self._has_terminal:
            self._bar.stop()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._has_terminal:
            self._bar.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._begun = time.monotonic()
        self._bar.reset(self._task, total=trainer.num_training_batches)
        self._describe(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Move the bar on.

        Args:
            trainer: Lightning's.
            module: the classifier.
            outputs: not looked at: that would wait for the device.
            batch: the micro-batch.
            index: its index within the epoch, from 0.
        """
        if self._has_terminal:
            self._bar.update(self._task, completed=index + 1)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._describe(trainer, ", validation")

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(
        self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal as it was.

        Args:
            trainer: Lightning's.
            module: the classifier.
            exception: what ends the fit.
        """
        self._stop()
