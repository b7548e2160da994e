"""A run's hardware and its highest measured rate, to which the run's speed is compared (MFU).

The rate is measured because data sheets know neither the cores of a run nor the library's kernels.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor, nn

from vgglab.config import Config, FilesConfig
from vgglab.data.cache import make_folder
from vgglab.data.decode import decoder_name
from vgglab.models.kernels.select import updates_in_cpp
from vgglab.runs.atomic import write_json

SECONDS = 0.25
"""Seconds spent on each of the two operations, after a warm-up."""
KEY = ("accelerator", "device", "host", "precision", "threads")
"""Parts of a run's hardware that decide its ceiling."""

BACKWARD = 2
"""A backward pass multiplies twice as much as a forward pass: by weights and by inputs."""


def hardware(config: Config) -> dict[str, Any]:
    """What a run is computed on, from its resolved config."""
    trainer = config.trainer
    return {
        "accelerator": trainer.accelerator,
        "device": torch.cuda.get_device_name() if trainer.accelerator == "gpu" else cpu_name(),
        "precision": trainer.precision,
        "memory_format": trainer.memory_format,
        "threads": trainer.threads,
        "devices": config.devices,
        "nodes": config.nodes,
        "keep_memory": trainer.keep_memory,
        "huge_pages": trainer.huge_pages,
        "fused_optimizer": trainer.fused_optimizer,
        "sgd_kernel": "cpp" if updates_in_cpp(config) else "torch",
        "deterministic": trainer.deterministic,
        "host": platform.node(),
    } | _decoder(config)


def _decoder(config: Config) -> dict[str, str]:
    data = config.data
    return {"decoder": decoder_name(data.decoder)} if isinstance(data, FilesConfig) else {}


def cpu_name() -> str:
    """The processor's name as Linux knows it, else as Python does."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def flops_per_image(macs: int) -> int:
    """Floating-point operations of training on one image, from the MACs of a forward pass."""
    return 2 * macs * (1 + BACKWARD)


def ceiling(folder: Path, hardware: Mapping[str, Any]) -> float:
    """Highest rate seen in a matrix product or a convolution, FLOP/s.

    It is measured once for each machine, precision and thread count, and kept under ``folder``; of
    several processes one measures, and the others wait for it.
    """
    key = {name: hardware[name] for name in KEY} | {"torch": torch.__version__}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / "ceilings" / f"{digest}.json"
    if not path.exists():
        make_folder(path.parent)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                device = "cuda" if hardware["accelerator"] == "gpu" else "cpu"
                dtype = torch.bfloat16 if hardware["precision"] == "bf16" else torch.float32
                write_json(path, key | _measure(torch.device(device), dtype))
                if device == "cuda":
                    torch.cuda.empty_cache()  # its tensors are larger than many a net's
    stored: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return max(stored["linear"], stored["convolution"])


@torch.no_grad()
def _measure(device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """FLOP/s of a linear layer and of a 3x3 convolution, both large enough to be compute-bound."""
    size, images, side = (8192, 64, 56) if device.type == "cuda" else (1024, 8, 28)
    channels = 256
    draw = torch.Generator(device).manual_seed(0)  # the run's own generators stay untouched

    def values(*shape: int) -> Tensor:
        return torch.rand(shape, generator=draw, device=device).to(dtype)

    inputs, weights = values(size, size), values(size, size)
    maps = values(images, channels, side, side).contiguous(memory_format=torch.channels_last)
    kernels = values(channels, channels, 3, 3).contiguous(memory_format=torch.channels_last)
    return {
        "linear": _rate(lambda: nn.functional.linear(inputs, weights), 2 * size**3, device),
        "convolution": _rate(
            lambda: nn.functional.conv2d(maps, kernels, padding=1),
            2 * images * side**2 * 9 * channels**2,
            device,
        ),
    }


def _rate(operation: Callable[[], Tensor], flops: int, device: torch.device) -> float:
    """FLOP/s of the fastest call; other calls were slowed by something else."""

    def seconds() -> float:
        begun = time.perf_counter()
        operation()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - begun

    for _ in range(3):
        seconds()
    deadline = time.perf_counter() + SECONDS
    best = seconds()
    while time.perf_counter() < deadline:
        best = min(best, seconds())
    return flops / best
