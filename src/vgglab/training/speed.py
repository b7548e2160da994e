"""How fast the steps were and how much memory they took."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch


def peak_memory_mib() -> float:
    """Peak memory of this process: of the GPU where one is used, else resident."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class SpeedMeter(pl.Callback):
    """Times whole training steps: from one batch's end to the next, data included.

    ``ideal``: images a second if every operation ran at the machine's measured ceiling.
    """

    def __init__(self, ideal: float) -> None:
        self._ideal = ideal
        self._steps: list[tuple[float, int]] = []
        self._mark = self._epoch_start = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._steps.clear()
        self._mark = self._epoch_start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if (index + 1) % trainer.accumulate_grad_batches:
            return  # a step ends with its last micro-batch
        now = time.perf_counter()
        self._steps.append((now - self._mark, batch.step_images))
        self._mark = now

    def values(self) -> dict[str, float]:
        """Of the latest epoch: median step, images a second of all processes together, these as a
        percentage of the ideal (MFU), the whole epoch with its validation, peak memory."""
        seconds = sum(duration for duration, _ in self._steps)
        images = sum(count for _, count in self._steps)
        return {
            "speed/step_ms": 1e3 * statistics.median(duration for duration, _ in self._steps),
            "speed/images_per_second": images / seconds,
            "speed/mfu": 100 * images / seconds / self._ideal,
            "speed/epoch_seconds": time.perf_counter() - self._epoch_start,
            "speed/peak_memory_mib": peak_memory_mib(),
        }
