"""How much memory there is, and what wants more than there is. Knows no torch of its own."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/memory.max")


def is_out_of_memory(error: BaseException) -> bool:
    """torch has a class of its own for GPUs alone."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or "can't allocate memory" in str(error)


def limit_bytes(accelerator: str) -> int | None:
    """What a process may use: of the GPU, or of the machine as its limits allow; None if nobody
    says."""
    if accelerator == "gpu":
        torch = sys.modules.get("torch")  # who runs out of a GPU's memory has loaded it
        return int(torch.cuda.mem_get_info()[1]) if torch is not None else None
    found = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    found = [limit for limit in found if limit != resource.RLIM_INFINITY]
    if CGROUP.exists() and (text := CGROUP.read_text(encoding="ascii").strip()).isdigit():
        found.append(int(text))
    if "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)
