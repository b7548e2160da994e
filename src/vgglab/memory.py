"""Memory limits and out-of-memory detection. Does not load torch."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/memory.max")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out; on a CPU, torch has no class for it."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or "can't allocate memory" in str(error)


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
