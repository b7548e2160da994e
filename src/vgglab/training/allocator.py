"""What glibc does with freed tensors: by default it hands them back to the kernel, which then
clears every page again when the next step asks for it."""

from __future__ import annotations

import ctypes
import sys

# From malloc.h: parameters of mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = 2**31 - 1
_LARGEST_MMAP_THRESHOLD = 2**30


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next step; True where that could be set.

    Of use before the first large tensor. Resident memory stays at its peak, which a training step
    reaches again anyway. Elsewhere than on Linux with glibc it does nothing.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):  # musl has none
        return False
    accepted = libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    return bool(accepted and libc.mallopt(_M_TRIM_THRESHOLD, _NEVER))
