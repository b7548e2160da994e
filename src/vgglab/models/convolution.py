"""A convolution by the kernels that suit its maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vgglab.models.kernels.conv_matmul import conv_matmul, is_by_matmul
from vgglab.models.kernels.conv_relu import conv_relu
from vgglab.models.kernels.sgd import RoundedParameter


class Conv2d(nn.Conv2d):
    """``nn.Conv2d`` that trains faster on a CPU, and takes ReLU along where a kernel does both."""

    takes_relu = False
    """Whether the two are one kernel under autocast to bf16; set where that kernel works."""
    by_matmul = False
    """Whether the gradient of filters over small maps is a matrix product in training; set on a
    CPU."""
    kept: Sequence[RoundedParameter] = ()
    """Filters and biases in bf16, where the optimiser keeps them for training."""

    def forward(self, input: Tensor, relu: bool = False) -> Tensor:
        """Convolve maps (N, C, H, W), and apply ReLU if ``relu``."""
        if relu and self.takes_relu and torch.is_autocast_enabled(input.device.type):
            return conv_relu(*self._rounded(input), self.stride, self._sides)
        is_trained = self.training and torch.is_grad_enabled()
        if self.by_matmul and is_trained and is_by_matmul(self, input):
            output = conv_matmul(*self._rounded(input), self._sides)
        elif self.kept and is_trained:
            output = self._conv_forward(*self._rounded(input))
        else:
            output = super().forward(input)
        return output.relu_() if relu else output

    @property
    def _sides(self) -> tuple[int, ...]:
        assert not isinstance(self.padding, str)
        return self.padding

    def _rounded(self, maps_nchw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps, filters and biases in the dtype of autocast; without it, as they are."""
        assert self.bias is not None
        device = maps_nchw.device.type
        if not torch.is_autocast_enabled(device):
            return maps_nchw, self.weight, self.bias
        dtype = torch.get_autocast_dtype(device)
        if self.kept:  # on a CPU, where this is asked in training alone
            weight, bias = (parameter() for parameter in self.kept)
        else:
            weight, bias = self.weight.to(dtype), self.bias.to(dtype)
        return maps_nchw.to(dtype), weight, bias
