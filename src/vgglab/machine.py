"""What this machine has. Knows no torch: a sweep's parent asks it before any run starts one."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from vgglab.config import Config

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is what Linux calls it on Arm


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> int:
    """NVIDIA GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = len(list(Path("/dev").glob("nvidia[0-9]*")))
    if visible is None:
        return present
    return min(present, len([name for name in visible.split(",") if name.strip()]))


def computes_in_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; elsewhere it is slower than float32."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return bool(_BF16_FLAGS & set(flags.split()))


def resolve(config: Config) -> Config:
    """The config with every ``auto`` of the trainer replaced by what this machine has."""
    trainer = config.trainer
    accelerator = trainer.accelerator
    if accelerator == "auto":
        accelerator = "gpu" if gpus() else "cpu"
    precision = trainer.precision
    if precision == "auto":
        precision = "bf16" if accelerator == "gpu" or computes_in_bf16() else "fp32"
    memory_format = trainer.memory_format
    if memory_format == "auto":
        memory_format = "channels_last"
    return dataclasses.replace(
        config,
        trainer=dataclasses.replace(
            trainer,
            accelerator=accelerator,
            precision=precision,
            memory_format=memory_format,
            threads=trainer.threads or cores(),
        ),
    )
