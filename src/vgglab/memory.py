"""Memory limits and out-of-memory detection. Does not load torch."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/memory.max")


OUT_OF_MEMORY = re.compile(
    r"can't allocate memory"  # torch on a CPU
    r"|(CUDA|Cuda)[^\n]*out of memory|cudaErrorMemoryAllocation"  # the driver, NCCL, Triton
    r"|(CUBLAS|CUDNN)_STATUS_\w*ALLOC(ATION)?_FAILED"
)
"""Messages of libraries for which torch has no class, or another one than ``OutOfMemoryError``."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or OUT_OF_MEMORY.search(str(error)) is not None


def limit_bytes(accelerator: str) -> int | None:
    """Return the memory that a process may use, of the GPU or of the machine; None if unknown."""
    if accelerator == "gpu":
        torch = sys.modules.get("torch")  # a process that uses a GPU has loaded it
        return int(torch.cuda.mem_get_info()[1]) if torch is not None else None
    found = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    found = [limit for limit in found if limit != resource.RLIM_INFINITY]
    if CGROUP.exists() and (text := CGROUP.read_text(encoding="ascii").strip()).isdigit():
        found.append(int(text))
    if "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)
