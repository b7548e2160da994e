"""The kernels of a step by their time on the GPU: what is left to gain, and where."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator
from typing import Any

from on_device import Step
from torch.profiler import profile, supported_activities

STEPS = 3
ROWS = 14
KINDS = {
    "convolution, by weights": r"wgrad|convolution_backward_weight",
    "convolution, by inputs": r"dgrad|convolution_backward",
    "convolution, forward": r"fprop|conv2d|implicit_convolve|convolve|convolution",
    "layout": r"nchwToNhwc|nhwcToNchw|transpose",
    "matrix product": r"gemm|nvjet|cublas|splitK|addmm|::mm",
    "optimiser": r"sgd|multi_tensor",
    "pooling": r"max_pool|pool",
    "made by inductor": r"^triton_",
    "copies and casts": r"memcpy|memset|copy|to_copy|fill",
    "reductions": r"reduce|norm|amax",
}
"""Kind -> a pattern in the names of its kernels; the first that fits."""


def kind_of(name: str) -> str:
    """What a kernel of this name does."""
    fitting = (kind for kind, found in KINDS.items() if re.search(found, name, re.IGNORECASE))
    return next(fitting, "other")


def device_us(average: Any) -> float:
    """Microseconds of an operation on its device; torch 2.11 and 2.14 call it alike."""
    on_device: float = getattr(average, "self_device_time_total", 0.0)
    return on_device or float(average.self_cpu_time_total)


def device_operations(profiler: profile) -> list[Any]:
    """Kernels, longest first; without a GPU the processor's operations.

    Regions with a name, as ``Optimizer.step``, are seen on the GPU too, around their kernels.
    """
    averages = sorted(profiler.key_averages(), key=device_us, reverse=True)
    averages = [a for a in averages if not getattr(a, "is_user_annotation", False)]
    return [a for a in averages if str(a.device_type).endswith("CUDA")] or averages


def kernels_of(step: Step) -> Iterator[dict[str, Any]]:
    """Rows of a step that is warm: one a kernel, then one a kind of kernel."""
    with profile(activities=list(supported_activities())) as profiler:
        for _ in range(STEPS):
            step()
    found = device_operations(profiler)
    whole = sum(map(device_us, found))
    kinds: dict[str, float] = collections.defaultdict(float)
    for average in found:
        kinds[kind_of(average.key)] += device_us(average)
    for average in found[:ROWS]:
        yield {
            "kernel": average.key[:100],
            "kind": kind_of(average.key),
            "ms_a_step": round(device_us(average) / STEPS / 1e3, 3),
            "calls": round(average.count / STEPS, 1),
            "share": round(device_us(average) / whole, 4),
        }
    for kind, microseconds in sorted(kinds.items(), key=lambda item: -item[1]):
        of_step = round(microseconds / STEPS / 1e3, 3)
        yield {"kind": kind, "ms_a_step": of_step, "share": round(microseconds / whole, 4)}
