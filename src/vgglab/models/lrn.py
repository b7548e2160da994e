"""Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3).

    b_i = a_i / s_i^beta,   s_i = k + alpha * sum_{j = max(0, i - n/2)}^{min(N - 1, i + n/2)} a_j^2

``torch.nn.LocalResponseNorm`` divides alpha by n, raises in bf16 on CPU, and goes through a
padded 5-d average pooling whose graph keeps several maps alive; this one keeps its input only.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vgglab.config.model import LrnConfig


class LocalResponseNorm(nn.Module):
    """``local_response_norm`` with the numbers of a config; no weights."""

    def __init__(self, config: LrnConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, images_nchw: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape, dtype and memory format."""
        lrn = self.config
        return local_response_norm(
            images_nchw,
            size=lrn.size,
            alpha=lrn.alpha,
            beta=lrn.beta,
            k=lrn.k,
            convention=lrn.convention,
        )

    def extra_repr(self) -> str:
        """The numbers, in ``repr(net)``."""
        lrn = self.config
        return (
            f"size={lrn.size}, alpha={lrn.alpha}, beta={lrn.beta}, k={lrn.k}, "
            f"convention={lrn.convention!r}"
        )


def local_response_norm(
    images_nchw: Tensor,
    *,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
    convention: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """Divide each value by a power of the energy of its neighbours in channel.

    Args:
        images_nchw: (N, C, H, W), floating point, any memory format; the output has its shape,
            dtype and memory format. The denominator is computed in fp32 at least.
        size: channels in the window, n; odd. At either end the window is cut, not padded.
        alpha: multiplies the sum of squares (``sum``, the printed formula) or their mean over n
            (``mean``, as cuda-convnet, Caffe and torch have it; n also where the window is cut).
        beta: the power.
        k: the constant, above 0.
        convention: what ``alpha`` multiplies.

    Raises:
        ValueError: an even or non-positive ``size``.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size = {size}: must be odd and positive")
    on_sum = alpha / size if convention == "mean" else alpha
    output_nchw: Tensor = _LocalResponseNorm.apply(images_nchw, _Numbers(size, on_sum, beta, k))
    return output_nchw


class _Numbers(NamedTuple):
    size: int
    alpha: float  # on the sum of squares
    beta: float
    k: float


class _LocalResponseNorm(torch.autograd.Function):
    """Saves its input alone, which the ReLU before it keeps anyway: the graph grows by nothing.
    The denominator is computed again in the backward pass, which costs a few additions."""

    @staticmethod
    def forward(ctx: Any, images_nchw: Tensor, numbers: _Numbers) -> Tensor:
        ctx.save_for_backward(images_nchw)
        ctx.numbers = numbers
        wide_nchw = _widened(images_nchw)
        output_nchw = _negative_power(_scale(wide_nchw, numbers), numbers.beta).mul_(wide_nchw)
        return output_nchw.to(images_nchw.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        # db_i/da_j = [i = j] s_i^-beta - 2 alpha beta a_i a_j s_i^(-beta-1) for j in i's window,
        # and j is in i's window just where i is in j's: so both passes sum the same window.
        (images_nchw,) = ctx.saved_tensors
        numbers: _Numbers = ctx.numbers
        wide_nchw, gradient_nchw = _widened(images_nchw), _widened(gradients[0])
        scale_nchw = _scale(wide_nchw, numbers)
        direct_nchw = _negative_power(scale_nchw, numbers.beta).mul_(gradient_nchw)
        shared_nchw = _window_sum((direct_nchw * wide_nchw).div_(scale_nchw), numbers.size)
        coupling = -2 * numbers.alpha * numbers.beta
        direct_nchw.addcmul_(shared_nchw, wide_nchw, value=coupling)
        return direct_nchw.to(images_nchw.dtype), None


def _widened(images_nchw: Tensor) -> Tensor:
    """At least fp32: eight bits of mantissa would lose alpha's 1e-4 next to k's 2."""
    return images_nchw.to(torch.promote_types(images_nchw.dtype, torch.float32))


def _scale(images_nchw: Tensor, numbers: _Numbers) -> Tensor:
    """s of the formula."""
    return _window_sum(images_nchw.square(), numbers.size).mul_(numbers.alpha).add_(numbers.k)


def _window_sum(values_nchw: Tensor, size: int) -> Tensor:
    """Sum over a window of ``size`` channels centred on each, cut at the first and the last."""
    sum_nchw = values_nchw.clone()
    for shift in range(1, min(size // 2, values_nchw.shape[1] - 1) + 1):
        sum_nchw[:, shift:].add_(values_nchw[:, :-shift])
        sum_nchw[:, :-shift].add_(values_nchw[:, shift:])
    return sum_nchw


def _negative_power(scale_nchw: Tensor, beta: float) -> Tensor:
    """``scale_nchw ** -beta``, a new tensor."""
    if beta == 0.75:  # s^-3/4 = s^-1/2 * (s^-1/2)^1/2: two roots cost far less than a power
        root_nchw = scale_nchw.rsqrt()
        return root_nchw.sqrt().mul_(root_nchw)
    return scale_nchw.pow(-beta)
