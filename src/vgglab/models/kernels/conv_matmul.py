"""A convolution over small maps whose filters' gradient is one matrix product, on a CPU.

oneDNN's kernel for that gradient is made for large maps: over the 4x4 and 2x2 px of a net's last
blocks at 32 px it takes 2 to 14 times as long in bf16, and 1.2 to 6 times in fp32, as laying the
windows out (im2col; Chellapilla et al. 2006) and multiplying. Over larger maps it is the faster
one. Sums are in fp32 in both, and differ by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, pad

from vgglab.models.kernels.build import supports

LARGEST_MAP = 16
"""Pixels of the largest map over which the product is faster, whatever the channels."""


def is_by_matmul(layer: nn.Conv2d, maps_nchw: Tensor) -> bool:
    """Whether the product computes the gradient of a layer's filters over maps (N, C, H, W)."""
    height, width = maps_nchw.shape[2:]
    steps_by_one = (layer.stride, layer.dilation, layer.groups) == ((1, 1), (1, 1), 1)
    return steps_by_one and height * width <= LARGEST_MAP and supports(maps_nchw)


def conv_matmul(
    maps_nchw: Tensor, weight_oikk: Tensor, bias_o: Tensor, padding: Sequence[int]
) -> Tensor:
    """Convolve maps with stride 1.

    Args:
        maps_nchw: maps in channels_last, for which ``is_by_matmul`` says yes.
        weight_oikk: filters of the same dtype.
        bias_o: one value a filter, of the same dtype.
        padding: zeros around the maps, px, by height and width.

    Returns:
        Maps of the same dtype.
    """
    output_nohw: Tensor = _Convolution.apply(maps_nchw, weight_oikk, bias_o, tuple(padding))
    return output_nohw


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        maps_nchw: Tensor,
        weight_oikk: Tensor,
        bias_o: Tensor,
        padding: tuple[int, int],
    ) -> Tensor:
        context.save_for_backward(maps_nchw, weight_oikk)
        context.padding = padding
        return conv2d(maps_nchw, weight_oikk, bias_o, 1, padding)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        maps_nchw, weight_oikk = context.saved_tensors
        gradient_nohw = gradients[0].contiguous(memory_format=torch.channels_last)
        by_maps = None
        if context.needs_input_grad[0]:
            sizes = [1, 1], context.padding, [1, 1], False, [0, 0], 1  # stride, ..., groups
            by_maps, _, _ = torch.ops.aten.convolution_backward(
                gradient_nohw, maps_nchw, weight_oikk, None, *sizes, [True, False, False]
            )
        by_weight, by_bias = gradient_by_filters(
            gradient_nohw, maps_nchw, weight_oikk.shape, context.padding
        )
        return by_maps, by_weight, by_bias, None


def gradient_by_filters(
    gradient_nohw: Tensor, maps_nchw: Tensor, shape: Sequence[int], padding: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Gradients of filters and biases.

    Args:
        gradient_nohw: of the output, channels_last.
        maps_nchw: the input, channels_last.
        shape: of the filters: out, in, height, width.
        padding: zeros around the input, px, by height and width.
    """
    filters, channels, rows, columns = shape
    images, _, height, width = gradient_nohw.shape
    above, left = padding
    padded_nhwc = pad(maps_nchw.permute(0, 2, 3, 1), (0, 0, left, left, above, above))
    image, row, column, channel = padded_nhwc.stride()
    windows_nhwkkc = padded_nhwc.as_strided(
        (images, height, width, rows, columns, channels),
        (image, row, column, row, column, channel),
    )
    pixels = images * height * width
    gradient_po = gradient_nohw.permute(0, 2, 3, 1).reshape(pixels, filters)
    by_weight = gradient_po.t() @ windows_nhwkkc.reshape(pixels, rows * columns * channels)
    by_weight_oikk = by_weight.view(filters, rows, columns, channels).permute(0, 3, 1, 2)
    return by_weight_oikk, gradient_po.sum(0)
