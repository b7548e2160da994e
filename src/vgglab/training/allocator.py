"""What glibc does with freed tensors: by default it hands them back to the kernel, which then
clears every page again when the next step asks for it."""

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
    """As a run says, before its first large tensor; on a GPU torch has an allocator of its own."""
    if trainer.keep_memory and trainer.accelerator == "cpu":
        keep_freed_memory(huge_pages=trainer.huge_pages)


def keep_freed_memory(*, huge_pages: bool = True) -> bool:
    """Let glibc keep freed memory for the next step; True where that could be set.

    Of use before the first large tensor. Resident memory stays at its peak, which a training step
    reaches again anyway. Elsewhere than on Linux with glibc it does nothing.

    With ``huge_pages`` the heap grows in pages of 2 MiB, where the kernel has them for those who
    ask: the processor then looks up fewer addresses.
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
    """Whether addresses are only counted once they are used."""
    limits = (resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    if any(soft != resource.RLIM_INFINITY for soft, _ in limits):
        return False
    promised = Path("/proc/sys/vm/overcommit_memory")
    return promised.exists() and promised.read_text(encoding="ascii").strip() != "2"


@functools.cache
def _ask_for_huge_pages() -> None:
    """For the part of the heap that is still to come: addresses as many as half of the machine's
    memory has, in which nothing lies yet. glibc itself asks only if told so before it starts."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    blocks = [block for _ in range(half // _BLOCK) if (block := libc.malloc(_BLOCK))]
    for block in blocks:
        begin = -(-block // _HUGE_PAGE) * _HUGE_PAGE
        end = (block + _BLOCK) // _HUGE_PAGE * _HUGE_PAGE
        libc.madvise(begin, end - begin, mmap.MADV_HUGEPAGE)  # a kernel without them says no
    for block in blocks:
        libc.free(block)
