"""Local response normalisation by ``lrn_triton.py``, as operations of torch with their shapes and
their gradient: torch.compile takes them as they are, and the graph around them stays whole."""

from __future__ import annotations

import functools
import importlib
import os
from typing import Any

import torch
from torch import Tensor

from vgglab.models.kernels.lrn import IN_TORCH, Kernel, Numbers, Saved

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
MOST_CHANNELS = 128
"""The work of a value grows with the channels, as each is multiplied by a row of the band."""
_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
_NUMBERS = "int size, float alpha, float beta, float k"


def triton_kernel(otherwise: Kernel) -> Kernel:
    """The kernel in Triton.

    Args:
        otherwise: computes maps that are not channels_last, of other dtypes or with too many
            channels.

    Returns:
        The kernel.
    """

    def _forward(images_nchw: Tensor, numbers: Numbers) -> tuple[Tensor, Saved]:
        if not supports(images_nchw):
            return otherwise.forward(images_nchw, numbers)
        # Keeps the input alone, as the kernel in C++ does.
        return torch.ops.vgglab.lrn_triton_forward(images_nchw, *numbers), (images_nchw,)

    def _backward(saved: Saved, gradient_nchw: Tensor, numbers: Numbers) -> Tensor:
        if not supports(saved[0]):
            return otherwise.backward(saved, gradient_nchw, numbers)
        result_nchw: Tensor = torch.ops.vgglab.lrn_triton_backward(
            saved[0], gradient_nchw, *numbers
        )
        return result_nchw

    return Kernel("triton", _forward, _backward)


def supports(images_nchw: Tensor) -> bool:
    """Whether the kernel can compute on these images: their device, dtype, layout and channels."""
    return (
        (images_nchw.is_cuda or _INTERPRETED)
        and images_nchw.dtype in DTYPES
        and images_nchw.shape[1] <= MOST_CHANNELS
        and images_nchw.is_contiguous(memory_format=torch.channels_last)
    )


def check(device: str) -> None:
    """Build the kernel and compare it with torch's own operations on a few numbers.

    Raises:
        Exception: of any type, for Triton's compiler and those that it calls have their own.
    """
    numbers = Numbers(size=5, alpha=1e-2, beta=0.75, k=2.0)
    wide_nchw = torch.linspace(-60, 60, 64 * 70, device=device).reshape(1, 64, 7, 10).roll(9, 2)
    for dtype, relative in ((torch.float32, 1e-4), (torch.bfloat16, 2**-6)):
        images_nchw = wide_nchw.to(dtype).contiguous(memory_format=torch.channels_last)
        if not supports(images_nchw):
            raise RuntimeError("it needs a GPU")
        plain_nchw, saved = IN_TORCH.forward(images_nchw, numbers)
        by_images_nchw = IN_TORCH.backward(saved, plain_nchw, numbers)
        ours_nchw = _forward_op(images_nchw, *numbers)
        torch.testing.assert_close(ours_nchw, plain_nchw, rtol=relative, atol=1e-2)
        ours_nchw = _backward_op(images_nchw, plain_nchw, *numbers)
        torch.testing.assert_close(ours_nchw, by_images_nchw, rtol=relative, atol=1e-2)


@functools.cache
def _loops() -> Any:
    """``lrn_triton.py``; raises ImportError where there is no Triton."""
    return importlib.import_module("vgglab.models.kernels.lrn_triton")


@torch.library.custom_op(
    "vgglab::lrn_triton_forward", mutates_args=(), schema=f"(Tensor images, {_NUMBERS}) -> Tensor"
)
def _forward_op(images_nchw: Tensor, *numbers: Any) -> Tensor:
    if not supports(images_nchw):  # on a CPU: for torch's own checks of an operation
        return IN_TORCH.forward(images_nchw, Numbers(*numbers))[0]
    output_nchw: Tensor = _loops().forward(images_nchw, Numbers(*numbers))
    return output_nchw


@torch.library.custom_op(
    "vgglab::lrn_triton_backward",
    mutates_args=(),
    schema=f"(Tensor images, Tensor gradient, {_NUMBERS}) -> Tensor",
)
def _backward_op(images_nchw: Tensor, gradient_nchw: Tensor, *numbers: Any) -> Tensor:
    if not supports(images_nchw):
        saved = (images_nchw, *IN_TORCH.forward(images_nchw, Numbers(*numbers))[1][1:])
        return IN_TORCH.backward(saved, gradient_nchw, Numbers(*numbers))
    gradient_nchw = gradient_nchw.to(images_nchw.dtype).contiguous(
        memory_format=torch.channels_last
    )
    result_nchw: Tensor = _loops().backward(images_nchw, gradient_nchw, Numbers(*numbers))
    return result_nchw


@_forward_op.register_fake
def _forward_shape(images_nchw: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(images_nchw)


@_backward_op.register_fake
def _backward_shape(images_nchw: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(images_nchw)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.numbers = inputs[1:]


def _differentiate(ctx: Any, gradient_nchw: Tensor) -> tuple[Tensor | None, ...]:
    by_images_nchw = _backward_op(ctx.saved_tensors[0], gradient_nchw, *ctx.numbers)
    return by_images_nchw, None, None, None, None


_forward_op.register_autograd(_differentiate, setup_context=_keep)
