"""A convolution that can take the ReLU after it into its own kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vgglab.models.kernels.conv_relu import conv_relu


class Conv2d(nn.Conv2d):
    """``nn.Conv2d`` whose forward pass takes ReLU along where a kernel computes both."""

    takes_relu = False
    """Whether the two are one kernel under autocast to bf16; set where that kernel works."""

    def forward(self, input: Tensor, relu: bool = False) -> Tensor:
        """Convolve maps (N, C, H, W), and apply ReLU if ``relu``."""
        if relu and self.takes_relu and torch.is_autocast_enabled(input.device.type):
            dtype = torch.get_autocast_dtype(input.device.type)
            assert self.bias is not None
            assert not isinstance(self.padding, str)
            weight_oikk, bias_o = self.weight.to(dtype), self.bias.to(dtype)
            return conv_relu(input.to(dtype), weight_oikk, bias_o, self.stride, self.padding)
        output = super().forward(input)
        return output.relu_() if relu else output
