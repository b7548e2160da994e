"""Batch norm in training with the ReLU after it, by ``batch_norm.cpp``; differs by rounding."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vgglab.models.kernels.build import supports


def can_normalise(norm: nn.BatchNorm2d, maps_nchw: Tensor) -> bool:
    """Whether the kernel computes this layer on these maps (N, C, H, W): in training, on a CPU, in
    channels_last, with weights in the precision that it computes in."""
    precision = torch.float64 if maps_nchw.dtype == torch.float64 else torch.float32
    return norm.training and supports(maps_nchw) and norm.weight.dtype == precision


def batch_norm_relu(
    maps_nchw: Tensor, norm: nn.BatchNorm2d, *, relu: bool, over_processes: bool
) -> Tensor:
    """Normalise maps by the moments of their batch, then apply ReLU if ``relu``.

    Args:
        maps_nchw: (N, C, H, W), for which ``can_normalise`` says yes.
        norm: the layer; its running moments are updated.
        relu: whether ReLU comes after it.
        over_processes: the batch is that of all processes, of which one may hold no image.

    Raises:
        ValueError: a channel has one value alone, which has no variance.
    """
    assert norm.num_batches_tracked is not None
    count = float(maps_nchw.numel() // maps_nchw.shape[1])
    moments_kc: Tensor = torch.ops.vgglab.batch_norm_moments(maps_nchw.detach())
    if over_processes:
        count, moments_kc = _of_all_processes(count, moments_kc)
    if count < 2:
        raise ValueError(f"Expected more than 1 value per channel when training, got {count:g}")
    norm.num_batches_tracked.add_(1)
    torch.ops.vgglab.batch_norm_track(
        norm.running_mean, norm.running_var, moments_kc, count, norm.momentum
    )
    numbers = count, norm.eps, relu
    normalised_nchw: Tensor = _BatchNorm.apply(
        maps_nchw, norm.weight, norm.bias, moments_kc, numbers, over_processes
    )
    return normalised_nchw


def _of_all_processes(count: float, moments_kc: Tensor) -> tuple[float, Tensor]:
    """Values of a channel, and the moments, of all processes together from each one's own.

    The means come first, then the squares about the mean of all (Chan et al. 1979): sums of plain
    squares would lose digits to cancellation.
    """
    mean_c, squares_c = moments_kc
    total = torch.cat([mean_c * count, mean_c.new_full((1,), count)])
    dist.all_reduce(total)
    everything = float(total[-1])
    all_mean_c = total[:-1] / everything
    squares_c = squares_c + count * (mean_c - all_mean_c).square()
    dist.all_reduce(squares_c)
    return everything, torch.stack([all_mean_c, squares_c])


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        maps_nchw: Tensor,
        weight_c: Tensor,
        bias_c: Tensor,
        moments_kc: Tensor,
        numbers: tuple[float, float, bool],
        over_processes: bool,
    ) -> Tensor:
        output_nchw: Tensor = torch.ops.vgglab.batch_norm_forward(
            maps_nchw, moments_kc, weight_c, bias_c, *numbers
        )
        _, _, relu = numbers
        behind_nchw = output_nchw if relu else maps_nchw  # without ReLU it is not looked at
        ctx.save_for_backward(behind_nchw, maps_nchw, moments_kc, weight_c)
        ctx.numbers, ctx.over_processes = numbers, over_processes
        return output_nchw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        behind_nchw, maps_nchw, moments_kc, weight_c = ctx.saved_tensors
        gradient_nchw = gradients[0].contiguous(memory_format=torch.channels_last)
        known = gradient_nchw, behind_nchw, maps_nchw, moments_kc
        sums_kc = torch.ops.vgglab.batch_norm_backward_sums(*known, weight_c, *ctx.numbers)
        all_sums_kc = sums_kc
        if ctx.over_processes:
            all_sums_kc = sums_kc.clone()
            dist.all_reduce(all_sums_kc)
        maps_gradient_nchw = torch.ops.vgglab.batch_norm_backward(
            *known, all_sums_kc, weight_c, *ctx.numbers
        )
        return maps_gradient_nchw, sums_kc[1], sums_kc[0], None, None, None
