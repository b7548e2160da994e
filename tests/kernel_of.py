"""Finds the kernel that a test is about, or skips the test where it cannot be had."""

from __future__ import annotations

import pytest

from vgglab.config.infrastructure import LrnKernelName
from vgglab.models.kernels.lrn import Kernel
from vgglab.models.kernels.select import lrn_kernel, packing_works

needs_packing = pytest.mark.skipif(
    not packing_works(), reason="oneDNN computes in bf16 with AVX-512 alone, which is not here"
)


def kernel_of(name: LrnKernelName) -> Kernel:
    """The kernel of local response normalisation of this name."""
    found = lrn_kernel(name, on_gpu=False)
    if found.name != name:
        pytest.skip("no C++ compiler or no ninja here")
    return found
