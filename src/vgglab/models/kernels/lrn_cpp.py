"""Local response normalisation by ``lrn.cpp``."""

from __future__ import annotations

import torch
from torch import Tensor

from vgglab.models.kernels.build import built, takes
from vgglab.models.kernels.lrn import IN_TORCH, Kernel, Numbers, Saved


def kernel_in_cpp() -> Kernel | None:
    """The kernel; None, with a line in the log, where it cannot be built."""
    return IN_CPP if built("lrn", "LRN") else None


def _forward(images_nchw: Tensor, numbers: Numbers) -> tuple[Tensor, Saved]:
    if not takes(images_nchw):
        return IN_TORCH.forward(images_nchw, numbers)
    # Only its input, which the ReLU before it keeps anyway: the backward pass computes the
    # denominator again, a few additions on values that it reads for its sums in any case.
    return torch.ops.vgglab.lrn_forward(images_nchw, *numbers), (images_nchw,)


def _backward(saved: Saved, gradient_nchw: Tensor, numbers: Numbers) -> Tensor:
    images_nchw = saved[0]
    if not takes(images_nchw):
        return IN_TORCH.backward(saved, gradient_nchw, numbers)
    gradient_nchw = gradient_nchw.to(images_nchw.dtype).contiguous(
        memory_format=torch.channels_last
    )
    result_nchw: Tensor = torch.ops.vgglab.lrn_backward(images_nchw, gradient_nchw, *numbers)
    return result_nchw


IN_CPP = Kernel("cpp", _forward, _backward)
