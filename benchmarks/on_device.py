"""Rows as JSON lines, and times on a GPU's own clock; on a CPU, on the processor's."""

from __future__ import annotations

import gc
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

Step = Callable[[], object]
MATMUL_SIDE = 8192
"""Of the square matrices whose product gives a GPU's measured peak."""


def say(**row: object) -> None:
    """Print a row; it is there even if the process is ended before its next one."""
    print(json.dumps(row), flush=True)


def trainer_of(device: torch.device | str) -> dict[str, Any]:
    """Fields of a config's trainer: this device, one thread where it is a CPU, and no bar."""
    if torch.device(device).type == "cuda":
        return {"accelerator": "gpu", "progress": False}
    return {"accelerator": "cpu", "threads": 1, "progress": False}


def wait_for(device: torch.device) -> None:
    """Return when all work that was given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def finished(step: Step, device: torch.device) -> Step:
    """A step that returns only when the device has done it."""

    def whole() -> None:
        step()
        wait_for(device)

    return whole


def now(device: torch.device) -> Any:
    """A mark in the device's work, for ``between``."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def between(marks: Sequence[Any], device: torch.device) -> list[float]:
    """Milliseconds between each mark and the next."""
    wait_for(device)
    pairs = list(itertools.pairwise(marks))
    if device.type == "cuda":
        return [float(before.elapsed_time(after)) for before, after in pairs]
    return [1e3 * (after - before) for before, after in pairs]


def step_times(step: Step, device: torch.device, *, warm: int, steps: int) -> list[float]:
    """Milliseconds of each step after the warm-up; nothing waits for the device between steps.

    Args:
        step: one call of it is one step.
        device: where it computes.
        warm: steps that are not counted.
        steps: steps that are.
    """
    for _ in range(warm):
        step()
    wait_for(device)
    marks = [now(device)]
    for _ in range(steps):
        step()
        marks.append(now(device))
    return between(marks, device)


def median_ms(step: Step, device: torch.device, *, warm: int = 3, steps: int = 10) -> float:
    """Median milliseconds of a step.

    Args:
        step: one call of it is one step.
        device: where it computes.
        warm: steps that are not counted.
        steps: steps that are.
    """
    return statistics.median(step_times(step, device, warm=warm, steps=steps))


def free_memory(device: torch.device) -> None:
    """Give back what nothing holds any more, and begin a new peak."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_mib(device: torch.device) -> float | None:
    """Peak GPU memory since ``free_memory``, MiB; None on a CPU."""
    if device.type != "cuda":
        return None
    return round(torch.cuda.max_memory_allocated(device) / 2**20)


def matmul_flops(device: torch.device) -> float:
    """FLOP/s of a product of two random bf16 matrices."""
    side = MATMUL_SIDE if device.type == "cuda" else 512
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    milliseconds = median_ms(lambda: left @ right, device)
    return float(2 * side**3 / (milliseconds / 1e3))


def about(error: BaseException) -> str:
    """An exception in one short line."""
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first[:300]}"
