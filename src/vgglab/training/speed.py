"""How fast the steps were, what their time went into and how much memory they took."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch

PARTS = ("data", "forward", "backward", "optimiser", "logging")
"""Of a step, in the order in which they happen."""


def peak_memory_mib() -> float:
    """Peak memory of this process: of the GPU where one is used, else resident."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def speed_of(epochs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians over epochs of what each epoch's record says of speed, and the time in training."""
    values: dict[str, float] = {}
    parts = (f"{part}_ms" for part in PARTS)
    for key in ("step_ms", *parts, "images_per_second", "mfu"):
        numbers = sorted(record[f"speed/{key}"] for record in epochs)
        values[key] = numbers[len(numbers) // 2]
    values["peak_memory_mib"] = max(record["speed/peak_memory_mib"] for record in epochs)
    values["train_seconds"] = sum(record["speed/epoch_seconds"] for record in epochs)
    return values


class TimeSplit:
    """Seconds that each part of a step took, summed over steps.

    On a GPU these are times on its own clock, read when it has got there: nothing waits for it.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._on_gpu = False
        self._last: Any = None
        self._waiting: deque[tuple[str, torch.cuda.Event, torch.cuda.Event]] = deque()

    def start(self, *, on_gpu: bool) -> None:
        """Forget what was; the next part begins now."""
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._on_gpu = on_gpu
        self._waiting.clear()
        self._last = self._now()

    def _now(self) -> Any:
        if not self._on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def end(self, part: str) -> None:
        """What happened since the last call was this part."""
        now = self._now()
        if self._on_gpu:
            self._waiting.append((part, self._last, now))
            self._read(wait=False)
        else:
            self.seconds[part] += now - self._last
        self._last = now

    def _read(self, *, wait: bool) -> None:
        while self._waiting:
            part, before, after = self._waiting[0]
            if wait:
                after.synchronize()
            elif not after.query():
                return
            self.seconds[part] += before.elapsed_time(after) / 1e3
            self._waiting.popleft()

    def means(self, steps: int) -> dict[str, float]:
        """Part -> milliseconds of a step."""
        self._read(wait=True)
        return {part: 1e3 * seconds / steps for part, seconds in self.seconds.items()}


class SpeedMeter(pl.Callback):
    """Times whole training steps: from one batch's end to the next, data included.

    The first of the callbacks; ``after_logging`` is the last of those that record.
    ``ideal``: images a second if every operation ran at the machine's measured ceiling.
    """

    def __init__(self, ideal: float) -> None:
        self._ideal = ideal
        self._steps: list[tuple[float, int]] = []
        self._mark = self._epoch_start = 0.0
        self._split = TimeSplit()
        self.after_logging = _AfterLogging(self._split)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._begin(trainer)  # for a resumed epoch Lightning does not say that it starts

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._begin(trainer)

    def _begin(self, trainer: pl.Trainer) -> None:
        self._steps.clear()
        self._mark = self._epoch_start = time.perf_counter()
        self._split.start(on_gpu=trainer.strategy.root_device.type == "cuda")

    def on_train_batch_start(self, *_: Any) -> None:
        self._split.end("data")

    def on_before_backward(self, *_: Any) -> None:
        self._split.end("forward")

    def on_after_backward(self, *_: Any) -> None:
        self._split.end("backward")

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        self._split.end("optimiser")
        if (index + 1) % trainer.accumulate_grad_batches:
            return  # a step ends with its last micro-batch
        now = time.perf_counter()
        self._steps.append((now - self._mark, batch.step_images))
        self._mark = now

    def values(self) -> dict[str, float]:
        """Of the latest epoch: median step, what its parts took on average, images a second of all
        processes together, these as a percentage of the ideal (MFU), the whole epoch with its
        validation, peak memory."""
        seconds = sum(duration for duration, _ in self._steps)
        images = sum(count for _, count in self._steps)
        parts = self._split.means(len(self._steps))
        return {
            "speed/step_ms": 1e3 * statistics.median(duration for duration, _ in self._steps),
            **{f"speed/{part}_ms": milliseconds for part, milliseconds in parts.items()},
            "speed/images_per_second": images / seconds,
            "speed/mfu": 100 * images / seconds / self._ideal,
            "speed/epoch_seconds": time.perf_counter() - self._epoch_start,
            "speed/peak_memory_mib": peak_memory_mib(),
        }


class _AfterLogging(pl.Callback):
    """Tells the split that everything has been recorded that is."""

    def __init__(self, split: TimeSplit) -> None:
        self._split = split

    def on_train_batch_end(self, *_: Any) -> None:
        self._split.end("logging")
