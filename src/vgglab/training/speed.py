"""Time of the steps and of their parts, images a second, peak memory."""

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
"""Parts of a step, in the order in which they happen."""


OPEN_SECONDS = "open_epoch_seconds"
"""Key of a checkpoint, in the state of ``SpeedMeter``."""

MEMORY = ("peak_memory_mib", "host_memory_mib", "card_memory_mib")
"""Peaks of a process, MiB: of its tensors on a GPU, or the next without one; of the machine's
memory; of what torch holds of the GPU for its tensors, without what CUDA itself takes."""


def memory_peaks() -> dict[str, float]:
    """``MEMORY`` of this process so far; the last only where a GPU is used."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    host = peak / (2**20 if sys.platform == "darwin" else 2**10)
    if not (torch.cuda.is_available() and torch.cuda.max_memory_allocated()):
        return {"peak_memory_mib": host, "host_memory_mib": host}
    return {
        "peak_memory_mib": torch.cuda.max_memory_allocated() / 2**20,
        "host_memory_mib": host,
        "card_memory_mib": torch.cuda.max_memory_reserved() / 2**20,
    }


def speed_of(epochs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians of the epochs' speeds, highest peak memory, and seconds of the whole training."""
    values: dict[str, float] = {}
    parts = (f"{part}_ms" for part in PARTS)
    for key in ("step_ms", *parts, "images_per_second", "mfu"):
        numbers = sorted(record[f"speed/{key}"] for record in epochs)
        values[key] = numbers[len(numbers) // 2]
    for key in MEMORY:
        if peaks := [r[f"speed/{key}"] for r in epochs if f"speed/{key}" in r]:
            values[key] = max(peaks)
    values["train_seconds"] = sum(record["speed/epoch_seconds"] for record in epochs)
    return values


class TimeSplit:
    """Sums the seconds of each part of a step.

    On a GPU they are times on its own clock, which are read later, so that nothing waits for it.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._told = dict(self.seconds)
        self._on_gpu = False
        self._last: Any = None
        self._waiting: deque[tuple[str, torch.cuda.Event, torch.cuda.Event]] = deque()

    def start(self, *, on_gpu: bool) -> None:
        """Reset the sums; the next part begins now."""
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._told = dict(self.seconds)
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
        """Count the time since the previous call as this part."""
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

    def percent_since(self, part: str) -> float | None:
        """Percentage that a part has of the time since this was last asked, as far as it is known
        by now; None where none is."""
        self._read(wait=False)
        spent = {name: seconds - self._told[name] for name, seconds in self.seconds.items()}
        self._told = dict(self.seconds)
        whole = sum(spent.values())
        return 100 * spent[part] / whole if whole else None

    def means(self, steps: int) -> dict[str, float]:
        """Part -> milliseconds of a step."""
        self._read(wait=True)
        return {part: 1e3 * seconds / steps for part, seconds in self.seconds.items()}


class SpeedMeter(pl.Callback):
    """Times whole training steps: from one batch's end to the next, data included.

    It stands before the callbacks that record, and ``after_logging`` after them. ``ideal`` is the
    speed, in images a second, if every operation ran at the machine's measured ceiling.
    """

    def __init__(self, ideal: float) -> None:
        self._ideal = ideal
        self._steps: list[tuple[float, int]] = []
        self._step_start = self._epoch_start = 0.0
        self._is_open, self._before = False, 0.0
        """Whether an epoch is begun and not ended; its seconds in earlier attempts."""
        self._split = TimeSplit()
        self.after_logging = _AfterLogging(self._split)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if (device := trainer.strategy.root_device).type == "cuda":
            # Of this run: before it the ceiling was measured, or a parent trained.
            torch.cuda.reset_peak_memory_stats(device)
        self._begin(trainer)  # Lightning calls no on_train_epoch_start for a resumed epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._before = 0.0
        self._begin(trainer)

    def on_train_epoch_end(self, *_: Any) -> None:
        self._is_open = False

    def state_dict(self) -> dict[str, Any]:
        """Seconds so far of the epoch that a checkpoint is within; 0 at an epoch's end."""
        return {OPEN_SECONDS: self._epoch_seconds() if self._is_open else 0.0}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the seconds of an open epoch; checkpoints of before have no state."""
        self._before = state_dict[OPEN_SECONDS]

    def _epoch_seconds(self) -> float:
        return self._before + time.perf_counter() - self._epoch_start

    def _begin(self, trainer: pl.Trainer) -> None:
        self._is_open = True
        self._steps.clear()
        self._step_start = self._epoch_start = time.perf_counter()
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
        """End the optimiser's part, and the step with its last micro-batch.

        Args:
            trainer: Lightning's.
            module: the classifier.
            outputs: the loss of the micro-batch, under ``loss``.
            batch: the micro-batch.
            index: its index within the epoch, from 0.
        """
        self._split.end("optimiser")
        if (index + 1) % trainer.accumulate_grad_batches:
            return  # a step ends with its last micro-batch
        now = time.perf_counter()
        self._steps.append((now - self._step_start, batch.step_images))
        self._step_start = now

    def of_step(self) -> dict[str, float]:
        """For the record of a step, what a pilot reads: how much of the time since the record
        before was waiting for data, percent; what torch holds of a GPU."""
        percent = self._split.percent_since("data")
        found = {} if percent is None else {"speed/data_percent": percent}
        held = {f"speed/{k}": v for k, v in memory_peaks().items() if k == "card_memory_mib"}
        return found | held

    def values(self) -> dict[str, float]:
        """Speed of the latest epoch, for its record.

        Median time of a step, mean time of each part, images a second over all processes, these as
        a percentage of the ideal (MFU), time of the epoch with its validation, peak memory.
        """
        seconds = sum(duration for duration, _ in self._steps)
        images = sum(count for _, count in self._steps)
        parts = self._split.means(len(self._steps))
        return {
            "speed/step_ms": 1e3 * statistics.median(duration for duration, _ in self._steps),
            **{f"speed/{part}_ms": milliseconds for part, milliseconds in parts.items()},
            "speed/images_per_second": images / seconds,
            "speed/mfu": 100 * images / seconds / self._ideal,
            "speed/epoch_seconds": self._epoch_seconds(),
            **{f"speed/{key}": peak for key, peak in memory_peaks().items()},
        }


class _AfterLogging(pl.Callback):
    """Ends the part ``logging`` of a step."""

    def __init__(self, split: TimeSplit) -> None:
        self._split = split

    def on_train_batch_end(self, *_: Any) -> None:
        self._split.end("logging")
