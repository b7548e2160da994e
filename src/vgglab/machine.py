"""Cores, GPUs and arithmetic of this machine, as Linux tells. Does not load torch.

Imports nothing of vgglab: every other room may ask it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is what Linux calls it on Arm


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


VISIBLE = "CUDA_VISIBLE_DEVICES"
"""CUDA's environment variable: which GPUs a process sees, and in which order."""


def gpus() -> tuple[str, ...]:
    """Return the NVIDIA GPUs that this process may use, as ``VISIBLE`` names them to another.

    Numbers where the variable is not set; else what the user has written there: numbers, UUIDs or
    MIG devices, up to the first that names no GPU, as CUDA reads it.
    """
    present = [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    return visible_of(os.environ.get(VISIBLE), present)


def visible_of(variable: str | None, present: Sequence[str]) -> tuple[str, ...]:
    """Return those of the GPUs present, if any, that the variable names."""
    if variable is None or not present:
        return tuple(present)
    found: list[str] = []
    for name in (part.strip() for part in variable.split(",")):
        if name not in present and not name.startswith(("GPU-", "MIG-")):
            break
        found.append(name)
    is_twice = len(set(found)) < len(found)  # then CUDA shows none
    return () if is_twice else tuple(found)


def process_seconds() -> float:
    """Return the age of this process in seconds; 0 where Linux does not say."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    ticks = int(stat.rpartition(")")[2].split()[19])  # field 22; the second may hold spaces
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def computes_in_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; elsewhere it is slower than float32."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return bool(_BF16_FLAGS & set(flags.split()))
