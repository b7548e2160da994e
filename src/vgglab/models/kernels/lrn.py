"""Kernels of local response normalisation, forward and backward: PyTorch's own operations one by
one, the same compiled into one loop, and ``lrn.cpp``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from vgglab.models.kernels.build import supports


class Numbers(NamedTuple):
    """The constants of the formula in ``models/lrn.py``."""

    size: int
    alpha: float
    """Factor of the sum of squares."""
    beta: float
    k: float


Saved = tuple[Tensor, ...]
"""The tensors that a forward pass keeps for its backward pass."""


class Kernel(NamedTuple):
    """Forward and backward pass; their results have the images' shape, dtype and memory format."""

    name: str
    forward: Callable[[Tensor, Numbers], tuple[Tensor, Saved]]
    """Computes the output of images (N, C, H, W), and the tensors for the backward pass."""
    backward: Callable[[Saved, Tensor, Numbers], Tensor]
    """Computes the gradient by the images from the gradient by the output."""


def _forward(images_nchw: Tensor, numbers: Numbers) -> tuple[Tensor, Tensor]:
    """Returns the output, and s of the formula."""
    wide_nchw = _widened(images_nchw)
    scale_nchw = _scale(wide_nchw, numbers)
    output_nchw = _negative_power(scale_nchw, numbers.beta).mul_(wide_nchw)
    return output_nchw.to(images_nchw.dtype), scale_nchw


def _backward(
    images_nchw: Tensor,
    output_nchw: Tensor,
    scale_nchw: Tensor,
    gradient_nchw: Tensor,
    numbers: Numbers,
) -> Tensor:
    # db_i/da_j = [i = j] s_i^-beta - 2 alpha beta a_i a_j s_i^(-beta-1) for j in i's window.
    # As j is in i's window exactly where i is in j's, both passes sum over the same window.
    summands_nchw = _summands(images_nchw, output_nchw, scale_nchw, gradient_nchw, numbers)
    return _gradient(images_nchw, scale_nchw, gradient_nchw, summands_nchw, numbers)


def _summands(
    images_nchw: Tensor,
    output_nchw: Tensor,
    scale_nchw: Tensor,
    gradient_nchw: Tensor,
    numbers: Numbers,
) -> Tensor:
    gradient_nchw = _widened(gradient_nchw)
    if not _was_rounded(output_nchw, scale_nchw):  # b_i = a_i s_i^-beta: no power to compute anew
        return (gradient_nchw * output_nchw).div_(scale_nchw)
    powers_nchw = _negative_power(scale_nchw, numbers.beta)
    return powers_nchw.mul_(gradient_nchw).mul_(_widened(images_nchw)).div_(scale_nchw)


def _gradient(
    images_nchw: Tensor,
    scale_nchw: Tensor,
    gradient_nchw: Tensor,
    summands_nchw: Tensor,
    numbers: Numbers,
) -> Tensor:
    direct_nchw = _negative_power(scale_nchw, numbers.beta).mul_(_widened(gradient_nchw))
    shared_nchw = _window_sum(summands_nchw, numbers.size)
    coupling = -2 * numbers.alpha * numbers.beta
    direct_nchw.addcmul_(shared_nchw, _widened(images_nchw), value=coupling)
    return direct_nchw.to(images_nchw.dtype)


def _was_rounded(output_nchw: Tensor, scale_nchw: Tensor) -> bool:
    """Whether the output has fewer bits than the numbers that it was computed from."""
    return output_nchw.dtype != scale_nchw.dtype


def _widened(images_nchw: Tensor) -> Tensor:
    """The images in fp32 at least: bf16's eight bits would lose alpha's 1e-4 next to k's 2."""
    return images_nchw.to(torch.promote_types(images_nchw.dtype, torch.float32))


def _scale(images_nchw: Tensor, numbers: Numbers) -> Tensor:
    """Computes s of the formula."""
    return _window_sum(images_nchw.square(), numbers.size).mul_(numbers.alpha).add_(numbers.k)


def _window_sum(values_nchw: Tensor, size: int) -> Tensor:
    """Sum over a window of ``size`` channels centred on each, cut at the first and the last."""
    channels = values_nchw.shape[1]
    half = min(size // 2, channels - 1)
    if torch.compiler.is_compiling():  # without in-place writes the compiler makes it one loop
        padded_nchw = pad(values_nchw, (0, 0, 0, 0, half, half))
        shifts = (padded_nchw[:, shift : shift + channels] for shift in range(2 * half + 1))
        return functools.reduce(torch.add, shifts)
    sum_nchw = values_nchw.clone()
    for shift in range(1, half + 1):
        sum_nchw[:, shift:].add_(values_nchw[:, :-shift])
        sum_nchw[:, :-shift].add_(values_nchw[:, shift:])
    return sum_nchw


def _negative_power(scale_nchw: Tensor, beta: float) -> Tensor:
    """``scale_nchw ** -beta``, a new tensor."""
    if beta == 0.75:  # s^-3/4 = s^-1/2 * (s^-1/2)^1/2: two roots cost far less than a power
        root_nchw = scale_nchw.rsqrt()
        return root_nchw.sqrt().mul_(root_nchw)
    return scale_nchw.pow(-beta)


def _kernel(
    name: str,
    forward: Callable[[Tensor, Numbers], tuple[Tensor, Tensor]],
    backward: Callable[[Tensor, Tensor, Tensor, Tensor, Numbers], Tensor],
) -> Kernel:
    def _forward_saving(images_nchw: Tensor, numbers: Numbers) -> tuple[Tensor, Saved]:
        output_nchw, scale_nchw = forward(images_nchw, numbers)
        return output_nchw, (images_nchw, output_nchw, scale_nchw)

    def _backward_of_saved(saved: Saved, gradient_nchw: Tensor, numbers: Numbers) -> Tensor:
        # Detached: for an output with a gradient history the compiler expects a gradient.
        images_nchw, output_nchw, scale_nchw = (tensor.detach() for tensor in saved)
        return backward(images_nchw, output_nchw, scale_nchw, gradient_nchw, numbers)

    return Kernel(name, _forward_saving, _backward_of_saved)


IN_TORCH = _kernel("torch", _forward, _backward)


@functools.cache
def compiled_kernel() -> Kernel:
    """``IN_TORCH`` by torch.compile, which compiles at the first call and for each new shape."""
    forward, backward = torch.compile(_forward), torch.compile(_backward)
    summands, gradient = torch.compile(_summands), torch.compile(_gradient)

    def _in_two_loops(
        images_nchw: Tensor,
        output_nchw: Tensor,
        scale_nchw: Tensor,
        gradient_nchw: Tensor,
        numbers: Numbers,
    ) -> Tensor:
        maps = images_nchw, output_nchw, scale_nchw, gradient_nchw
        if not _was_rounded(output_nchw, scale_nchw):
            return backward(*maps, numbers)
        # In one loop, the summands' power would be computed anew for each window they are in.
        summands_nchw = summands(*maps, numbers)
        return gradient(images_nchw, scale_nchw, gradient_nchw, summands_nchw, numbers)

    return _kernel("compiled", forward, _in_two_loops)


def _cpp_forward(images_nchw: Tensor, numbers: Numbers) -> tuple[Tensor, Saved]:
    if not supports(images_nchw):
        return IN_TORCH.forward(images_nchw, numbers)
    # Keeps the input alone, which the ReLU before it keeps anyway: the backward pass computes the
    # denominator again, a few additions on values that it reads for its sums in any case.
    return torch.ops.vgglab.lrn_forward(images_nchw, *numbers), (images_nchw,)


def _cpp_backward(saved: Saved, gradient_nchw: Tensor, numbers: Numbers) -> Tensor:
    images_nchw = saved[0]
    if not supports(images_nchw):
        return IN_TORCH.backward(saved, gradient_nchw, numbers)
    gradient_nchw = gradient_nchw.to(images_nchw.dtype).contiguous(
        memory_format=torch.channels_last
    )
    result_nchw: Tensor = torch.ops.vgglab.lrn_backward(images_nchw, gradient_nchw, *numbers)
    return result_nchw


IN_CPP = Kernel("cpp", _cpp_forward, _cpp_backward)
"""Works only after ``has_kernels()`` has returned true."""
