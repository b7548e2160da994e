"""What a run is computed on, for its record."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from vgglab.config import Config, FilesConfig
from vgglab.data.decode import decoder_name


def hardware(config: Config) -> dict[str, Any]:
    """What the run was computed on, as resolved."""
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
        "host": platform.node(),
    } | decoding(config)


def decoding(config: Config) -> dict[str, str]:
    """What image files are decoded by; nothing where there are none."""
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
