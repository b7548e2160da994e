"""Batch norm over the images of all processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vgglab.models.kernels.batch_norm import batch_norm_relu, can_normalise


class _SumOverProcesses(torch.autograd.Function):
    """Sums a tensor over all processes, and in the backward pass its gradient."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


def _sum_over_processes(values: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(values)
    return total


class BatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` that can take its batch over all processes, and ReLU into its own pass.

    torch's ``nn.SyncBatchNorm`` exists for accelerators alone, waits for the host in every layer,
    and has torch.compile give up the whole net. A process may hold no image.
    """

    over_processes = False
    """Whether the batch's mean and variance are those of all processes together."""
    in_cpp = False
    """Whether ``batch_norm.cpp`` computes it in training where it can; set where that is built."""

    def forward(self, input: Tensor, relu: bool = False) -> Tensor:
        """Normalise maps (N, C, H, W), and apply ReLU if ``relu``."""
        if self.in_cpp and can_normalise(self, input):
            return batch_norm_relu(input, self, relu=relu, over_processes=self.over_processes)
        synchronised = self.training and self.over_processes
        output = self._over_processes(input) if synchronised else super().forward(input)
        return output.relu_() if relu else output

    def _over_processes(self, input: Tensor) -> Tensor:
        """By torch's own operations. The mean comes first, then the squares about it: sums of plain
        squares would lose digits to cancellation."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        images_nchw = input.to(self.weight.dtype)  # autocast hands over bf16
        values_a_channel = images_nchw.numel() / images_nchw.shape[1]
        count = images_nchw.new_full((1,), values_a_channel)  # without a copy from the host
        sums = torch.cat([images_nchw.sum((0, 2, 3)), count])
        sums = _sum_over_processes(sums)
        count = sums[-1].detach()
        shape = (1, -1, 1, 1)
        centred_nchw = images_nchw - (sums[:-1] / count).view(shape)
        variance_c = _sum_over_processes(centred_nchw.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(sums[:-1].detach() / count, self.momentum)
            # Of one value it is 0, not NaN; to look at the count would wait for the device.
            unbiased_c = variance_c.detach() * count / (count - 1).clamp(min=1)
            self.running_var.lerp_(unbiased_c, self.momentum)
        scale_c = self.weight * (variance_c + self.eps).rsqrt()
        return (centred_nchw * scale_c.view(shape) + self.bias.view(shape)).to(input.dtype)


def synchronised(net: nn.Module) -> nn.Module:
    """Return the net with batch norm over all processes; its state dict stays the same."""
    for module in net.modules():
        if isinstance(module, BatchNorm2d):
            module.over_processes = True
    return net


def share_running_moments(net: nn.Module) -> None:
    """Give every process the running means and variances of the first one."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)
