"""A convolution with its bias and ReLU by one kernel of cuDNN: each map is written once, not twice.

torch has cuDNN's kernel for networks that are not trained; this is the operation with its gradient.
torch.compile takes it as it is, and the graph around it stays whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d


def conv_relu(
    maps_nchw: Tensor,
    weight_oikk: Tensor,
    bias_o: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
) -> Tensor:
    """Convolve maps and cut values below 0 off.

    Args:
        maps_nchw: images or maps; channels_last is fastest.
        weight_oikk: filters of the same dtype.
        bias_o: one value a filter, of the same dtype.
        stride: of the filters, px, by height and width.
        padding: zeros around the maps, px, by height and width.

    Returns:
        Maps of the same dtype.
    """
    output_nohw: Tensor = _ConvRelu.apply(
        maps_nchw, weight_oikk, bias_o, tuple(stride), tuple(padding)
    )
    return output_nohw


@torch.library.custom_op(
    "vgglab::conv_relu",
    mutates_args=(),
    schema="(Tensor maps, Tensor weight, Tensor bias, int[] stride, int[] padding) -> Tensor",
)
def _forward_op(
    maps_nchw: Tensor, weight_oikk: Tensor, bias_o: Tensor, stride: list[int], padding: list[int]
) -> Tensor:
    if not maps_nchw.is_cuda:  # on a CPU: for tests
        return conv2d(maps_nchw, weight_oikk, bias_o, stride, padding).relu_()
    output_nohw: Tensor = torch.ops.aten.cudnn_convolution_relu(
        maps_nchw, weight_oikk, bias_o, stride, padding, [1, 1], 1
    )
    return output_nohw


@_forward_op.register_fake
def _shape(
    maps_nchw: Tensor, weight_oikk: Tensor, bias_o: Tensor, stride: list[int], padding: list[int]
) -> Tensor:
    return conv2d(maps_nchw, weight_oikk, bias_o, stride, padding)


class _ConvRelu(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        maps_nchw: Tensor,
        weight_oikk: Tensor,
        bias_o: Tensor,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
    ) -> Tensor:
        output_nohw: Tensor = _forward_op(
            maps_nchw, weight_oikk, bias_o, list(stride), list(padding)
        )
        context.save_for_backward(maps_nchw, weight_oikk, output_nohw)
        context.sizes = list(stride), list(padding)
        return output_nohw

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps_nchw, weight_oikk, output_nohw = context.saved_tensors
        gradient_nohw = torch.where(output_nohw > 0, gradients[0], 0)
        by_maps, by_weight, by_bias = torch.ops.aten.convolution_backward(
            gradient_nohw,
            maps_nchw,
            weight_oikk,
            [len(weight_oikk)],
            *context.sizes,
            [1, 1],  # dilation
            False,  # transposed
            [0, 0],  # output padding
            1,  # groups
            list(context.needs_input_grad[:3]),
        )
        return by_maps, by_weight, by_bias, None, None


def check(device: str) -> None:
    """Compare it, forward and backward, with torch's own operations on a few numbers of bf16.

    Raises:
        Exception: they differ, or the kernel cannot be had.
    """
    draw = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=draw).to(device, torch.bfloat16)
        return values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values

    found = []
    given = drawn(2, 8, 9, 7), drawn(16, 8, 3, 3), drawn(16)
    gradient_nohw = drawn(2, 16, 9, 7)
    for one_kernel in (True, False):
        inputs = [value.detach().clone().requires_grad_() for value in given]
        if one_kernel:
            output_nohw = conv_relu(inputs[0], inputs[1], inputs[2], (1, 1), (1, 1))
        else:
            output_nohw = conv2d(inputs[0], inputs[1], inputs[2], 1, 1).relu()
        found.append([output_nohw, *torch.autograd.grad(output_nohw, inputs, gradient_nohw)])
    for ours, torchs in zip(*found, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=2**-5, atol=0.25)
