"""Cores, GPUs and arithmetic of this machine, as Linux tells. Does not load torch.

Imports nothing of vgglab: every other room may ask it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is what Linux calls it on Arm


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wanted_threads() -> int:
    """Return the threads of a process that ``OMP_NUM_THREADS`` asks for; 0 where it does not."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # one a nested level
    return int(first) if first.isascii() and first.isdigit() else 0


VISIBLE = "CUDA_VISIBLE_DEVICES"
"""CUDA's environment variable: which GPUs a process sees, and in which order."""


SHARING = "VGGLAB_POINTS_A_GPU"
"""Environment variable that a launcher sets: the points of a study that share a GPU."""


AT_A_TIME = "VGGLAB_POINTS_AT_A_TIME"
"""Another: those that share the machine with its GPUs, and so the cores that decode for them."""


def points_at_a_time() -> int:
    """Return the points of a study that share this machine's GPUs; 1 where there is no other."""
    return int(os.environ.get(AT_A_TIME, "1"))


def gpu_share() -> float:
    """Return the share of its GPU that this process may fill; 1 where it has it alone."""
    return 1 / int(os.environ.get(SHARING, "1"))


def may_have_gpus() -> bool:
    """Whether anything speaks for an NVIDIA GPU here; torch knows, but takes seconds to load."""
    signs = (
        Path("/dev").glob("nvidia*"),
        Path("/proc/driver").glob("nvidia"),
        Path("/dev").glob("dxg"),
    )
    return bool(os.environ.get(VISIBLE)) or any(any(found) for found in signs)


def gpu_names(variable: str | None, count: int) -> tuple[str, ...]:
    """Return the names under which another process is shown the GPUs that this one sees.

    Args:
        variable: ``VISIBLE`` of this process, where it is set: numbers, UUIDs or MIG devices.
        count: GPUs that CUDA shows this process: the first of those, up to one that is none.
    """
    if variable is None:
        return tuple(map(str, range(count)))
    return tuple(name.strip() for name in variable.split(",")[:count])


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
