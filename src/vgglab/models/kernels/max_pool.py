"""Max-pooling of 2x2, stride 2, with the ReLU after it, by ``max_pool.cpp``; the same values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vgglab.models.kernels.build import supports


def is_halving_pool(module: nn.Module) -> bool:
    """Whether a module is a max-pooling of 2x2, stride 2, that drops windows filled in part."""
    return (
        isinstance(module, nn.MaxPool2d)
        and (module.kernel_size, module.stride) == (2, 2)
        and (module.padding, module.dilation, module.ceil_mode) == (0, 1, False)
    )


def max_pool_relu(maps_nchw: Tensor, *, relu: bool) -> Tensor:
    """Max-pool maps (N, C, H, W) to (N, C, H // 2, W // 2), then apply ReLU if ``relu``.

    Maps that the kernel does not support are computed by torch's own operations.
    """
    if supports(maps_nchw) and min(maps_nchw.shape[2:]) > 1:
        halved_nchw: Tensor = _MaxPool.apply(maps_nchw, relu)
        return halved_nchw
    pooled_nchw = nn.functional.max_pool2d(maps_nchw, 2)
    return pooled_nchw.relu_() if relu else pooled_nchw


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps_nchw: Tensor, relu: bool) -> Tensor:
        halved_nchw: Tensor
        halved_nchw, places_nchw = torch.ops.vgglab.max_pool_forward(maps_nchw, relu)
        ctx.save_for_backward(places_nchw)
        ctx.sides = maps_nchw.shape[2:]
        return halved_nchw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (places_nchw,) = ctx.saved_tensors
        gradient_nchw = gradients[0].contiguous(memory_format=torch.channels_last)
        result_nchw: Tensor = torch.ops.vgglab.max_pool_backward(
            gradient_nchw, places_nchw, *ctx.sides
        )
        return result_nchw, None
