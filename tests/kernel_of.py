"""The kernel that a test is about; where it cannot be had, the test is skipped."""

from __future__ import annotations

import pytest

from vgglab.models.kernels.lrn import Kernel
from vgglab.models.kernels.select import lrn_kernel


def kernel_of(name: str) -> Kernel:
    """LRN's of this name: ``torch``, ``compiled`` or ``cpp``."""
    found = lrn_kernel(name, on_gpu=False)
    if found.name != name:
        pytest.skip("no C++ compiler or no ninja here")
    return found
