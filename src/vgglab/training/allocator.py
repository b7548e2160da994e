"""Settings of glibc's allocator, so that a step reuses the memory of the step before.

By default glibc returns freed tensors to the kernel, which clears every page again for the next.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import resource
import sys
from pathlib import Path

from vgglab.config import TrainerConfig

# From malloc.h: parameters of mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = -1
_LARGEST_MMAP_THRESHOLD = 2**30

_BLOCK = _LARGEST_MMAP_THRESHOLD // 2  # larger ones are no part of the heap
_HUGE_PAGE = 2**21


def use_allocator(trainer: TrainerConfig) -> None:
    """Apply a run's settings before its first large tensor; a GPU has torch's own allocator."""
    if trainer.keep_memory and trainer.accelerator == "cpu":
        keep_freed_memory(huge_pages=trainer.huge_pages)


def keep_freed_memory(*, huge_pages: bool = True) -> bool:
    """Let glibc keep freed memory for the next step; call it before the first large tensor.

    Resident memory stays at its peak, which a training step reaches again anyway. With
    ``huge_pages`` the heap grows in pages of 2 MiB where the kernel grants them on request: the
    processor then looks up fewer addresses.

    Returns:
        Whether it could be set: on Linux with glibc alone.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):  # musl has none
        return False
    accepted = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    kept = bool(accepted and libc.mallopt(_M_TRIM_THRESHOLD, _NEVER))
    if kept and huge_pages and _room_costs_nothing():
        _ask_for_huge_pages()
    return kept


def _room_costs_nothing() -> bool:
    """Whether reserving addresses is free until they are used."""
    limits = (resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    if any(soft != resource.RLIM_INFINITY for soft, _ in limits):
        return False
    promised = Path("/proc/sys/vm/overcommit_memory")
    return promised.exists() and promised.read_text(encoding="ascii").strip() != "2"


@functools.cache
def _ask_for_huge_pages() -> None:
    """Ask for huge pages in the part of the heap that is still unused: half the machine's memory.

    glibc has a setting for it, which it reads only when a process starts.
    """
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    blocks = [block for _ in range(half // _BLOCK) if (block := libc.malloc(_BLOCK))]
    for block in blocks:
        begin = -(-block // _HUGE_PAGE) * _HUGE_PAGE
        end = (block + _BLOCK) // _HUGE_PAGE * _HUGE_PAGE
        libc.madvise(begin, end - begin, mmap.MADV_HUGEPAGE)  # refused by a kernel without them
    for block in blocks:
        libc.free(block)
