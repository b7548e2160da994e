"""Local response normalisation on a GPU in Triton: a map is read once and written once.

In channels_last the channels of a pixel lie side by side. A program takes tiles of pixels x
channels and sums over windows of channels on the matrix units: squares times a band of ones. The
units multiply bf16, so that the squares are split into bf16 pieces whose sum they are: two hold the
square of a bf16 value to the last bit, three any fp32 value. All else is fp32. As 0 * nan = nan, a
nan in one channel shows in all channels of its pixel; in the other kernels, in its window.

``lrn_op.py`` imports this file, and only where Triton is. ``TRITON_INTERPRET=1`` runs it on a CPU.
"""

# What is constant in a kernel is written in capitals, as Triton's users do.
# ruff: noqa: N803
# Triton compiles annotations too, and knows none but its own.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from vgglab.models.kernels.lrn import Numbers

TILE = 2048
"""Values in a tile, of at least 32 pixels: the fastest of eleven forms on an H100, in bf16."""
TILES = 8
"""Tiles that a program takes one after the other, for one band of ones."""
WARPS = 2


def forward(images_nchw: Tensor, numbers: Numbers) -> Tensor:
    """Normalise channels_last maps (N, C, H, W) in bf16, fp16 or fp32."""
    output_nchw = torch.empty_like(images_nchw)
    _launch(_forward, (images_nchw, output_nchw), numbers)
    return output_nchw


def backward(images_nchw: Tensor, gradient_nchw: Tensor, numbers: Numbers) -> Tensor:
    """The gradient by the images.

    Args:
        images_nchw: on a GPU, channels_last.
        gradient_nchw: by the output; of the same layout and dtype.
        numbers: of the normalisation.
    """
    result_nchw = torch.empty_like(images_nchw)
    _launch(_backward, (images_nchw, gradient_nchw, result_nchw), numbers)
    return result_nchw


def _launch(loop: Any, maps: tuple[Tensor, ...], numbers: Numbers) -> None:
    images_nchw = maps[0]
    channels = images_nchw.shape[1]
    rows = images_nchw.numel() // max(channels, 1)
    if rows == 0:
        return
    padded = max(triton.next_power_of_2(channels), 16)  # the least that the matrix units take

    def grid(meta: dict[str, int]) -> tuple[int]:
        return (triton.cdiv(rows, meta["ROWS"] * meta["TILES"]),)

    with torch.cuda.device_of(images_nchw):  # Triton launches on the current device
        loop[grid](
            *maps,
            rows,
            numbers.alpha,
            numbers.beta,
            numbers.k,
            CHANNELS=channels,
            PADDED=padded,
            HALF=numbers.size // 2,
            BY_ROOTS=numbers.beta == 0.75,
            PIECES=3 if images_nchw.dtype == torch.float32 else 2,
            UNITS=tl.bfloat16 if images_nchw.is_cuda else tl.float32,  # not in the interpreter
            ROWS=max(TILE // padded, 32),
            TILES=TILES,
            num_warps=WARPS,
            num_stages=4 if padded <= 64 else 2,  # tiles in shared memory at a time
        )


@triton.jit
def _forward(
    images,
    output,
    rows,
    alpha,
    beta,
    k,
    CHANNELS: tl.constexpr,
    PADDED: tl.constexpr,
    HALF: tl.constexpr,
    BY_ROOTS: tl.constexpr,
    PIECES: tl.constexpr,
    UNITS: tl.constexpr,
    ROWS: tl.constexpr,
    TILES: tl.constexpr,
):
    row = tl.arange(0, ROWS)[:, None]
    channel = tl.arange(0, PADDED)[None, :]
    places = row * CHANNELS + channel
    band = _band(PADDED, HALF, UNITS)
    for number in range(TILES):
        first = (tl.program_id(0).to(tl.int64) * TILES + number) * ROWS  # beyond 2^31 values
        left = tl.minimum(rows - first, ROWS).to(tl.int32)
        inside = (row < left) & (channel < CHANNELS)
        start = first * CHANNELS
        a = tl.load(images + start + places, mask=inside, other=0.0).to(tl.float32)
        s = k + alpha * _window_sum(a * a, band, PIECES, UNITS)
        power, _ = _power_and_inverse(s, beta, BY_ROOTS)
        tl.store(output + start + places, (a * power).to(output.dtype.element_ty), mask=inside)


@triton.jit
def _backward(
    images,
    gradient,
    result,
    rows,
    alpha,
    beta,
    k,
    CHANNELS: tl.constexpr,
    PADDED: tl.constexpr,
    HALF: tl.constexpr,
    BY_ROOTS: tl.constexpr,
    PIECES: tl.constexpr,
    UNITS: tl.constexpr,
    ROWS: tl.constexpr,
    TILES: tl.constexpr,
):
    row = tl.arange(0, ROWS)[:, None]
    channel = tl.arange(0, PADDED)[None, :]
    places = row * CHANNELS + channel
    band = _band(PADDED, HALF, UNITS)
    for number in range(TILES):
        first = (tl.program_id(0).to(tl.int64) * TILES + number) * ROWS
        left = tl.minimum(rows - first, ROWS).to(tl.int32)
        inside = (row < left) & (channel < CHANNELS)
        start = first * CHANNELS
        a = tl.load(images + start + places, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(gradient + start + places, mask=inside, other=0.0).to(tl.float32)
        s = k + alpha * _window_sum(a * a, band, PIECES, UNITS)
        power, inverse = _power_and_inverse(s, beta, BY_ROOTS)
        direct = g * power
        shared = _window_sum(direct * a * inverse, band, PIECES, UNITS)  # the formula of ``lrn.py``
        by_a = direct - (2 * alpha * beta) * a * shared
        tl.store(result + start + places, by_a.to(result.dtype.element_ty), mask=inside)


@triton.jit
def _band(PADDED: tl.constexpr, HALF: tl.constexpr, UNITS: tl.constexpr):
    """A matrix with ones where two channels are in each other's window."""
    distance = tl.arange(0, PADDED)[:, None] - tl.arange(0, PADDED)[None, :]
    return tl.where((distance <= HALF) & (distance >= -HALF), 1.0, 0.0).to(UNITS)


@triton.jit
def _window_sum(values, band, PIECES: tl.constexpr, UNITS: tl.constexpr):
    high = _first_bits(values)
    rest = values - high
    middle = _first_bits(rest)
    total = tl.dot(middle.to(UNITS), band)
    if PIECES == 3:
        total = tl.dot((rest - middle).to(UNITS), band, total)
    return tl.dot(high.to(UNITS), band, total)


@triton.jit
def _first_bits(values):
    """The bits of fp32 values that bf16 has; a mask takes a fraction of the time of rounding."""
    return (values.to(tl.uint32, bitcast=True) & 0xFFFF0000).to(tl.float32, bitcast=True)


@triton.jit
def _power_and_inverse(s, beta, BY_ROOTS: tl.constexpr):
    """s^-beta and 1/s."""
    if BY_ROOTS:  # s^-3/4 = s^-1/2 * (s^-1/2)^1/2
        root = tl.rsqrt(s)
        return root * tl.sqrt(root), root * root
    else:  # noqa: RET505 (Triton takes one of two branches, and would go on after the first)
        return tl.exp2(-beta * tl.log2(s)), 1.0 / s
