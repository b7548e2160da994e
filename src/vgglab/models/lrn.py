"""Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3).

    b_i = a_i / s_i^beta,   s_i = k + alpha * sum_{j = max(0, i - n/2)}^{min(N - 1, i + n/2)} a_j^2

``torch.nn.LocalResponseNorm`` divides alpha by n, raises an error in bf16 on a CPU, and computes a
padded 5-d average pooling whose graph keeps several maps alive.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vgglab.config.model import LrnConfig
from vgglab.models.kernels.lrn import IN_TORCH, Kernel, Numbers


class LocalResponseNorm(nn.Module):
    """``local_response_norm`` with the constants of a config; it has no weights."""

    def __init__(self, config: LrnConfig) -> None:
        super().__init__()
        self.config = config
        self.kernel = IN_TORCH
        """The kernel in use; see ``kernels/lrn.py``."""

    def forward(self, images_nchw: Tensor) -> Tensor:
        """Normalise maps (N, C, H, W); shape, dtype and memory format stay the same."""
        lrn = self.config
        return local_response_norm(
            images_nchw,
            size=lrn.size,
            alpha=lrn.alpha,
            beta=lrn.beta,
            k=lrn.k,
            convention=lrn.convention,
            kernel=self.kernel,
        )

    def extra_repr(self) -> str:
        """Return the constants for ``repr(net)``."""
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
    kernel: Kernel = IN_TORCH,
) -> Tensor:
    """Divide each value by a power of a sum of squares over neighbouring channels.

    The formula is that of Krizhevsky et al. 2012, section 3.3; see the top of this file.

    Args:
        images_nchw: (N, C, H, W), floating point, any memory format; the output has its shape,
            dtype and memory format. The denominator is computed in fp32 at least.
        size: channels in the window, n; odd. At either end the window is cut, not padded.
        alpha: multiplies the sum of squares (``sum``, the printed formula) or their mean over n
            (``mean``, as cuda-convnet, Caffe and torch have it; n also where the window is cut).
        beta: the power.
        k: the constant, above 0.
        convention: what ``alpha`` multiplies.
        kernel: the implementation; they differ by rounding.

    Returns:
        The normalised maps.

    Raises:
        ValueError: an even or non-positive ``size``.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size = {size}: must be odd and positive")
    on_sum = alpha / size if convention == "mean" else alpha
    numbers = Numbers(size, on_sum, beta, k)
    output_nchw: Tensor = _LocalResponseNorm.apply(images_nchw, numbers, kernel)
    return output_nchw


class _LocalResponseNorm(torch.autograd.Function):
    """Calls a kernel, which chooses the tensors to keep for the backward pass."""

    @staticmethod
    def forward(ctx: Any, images_nchw: Tensor, numbers: Numbers, kernel: Kernel) -> Tensor:
        """Normalise maps.

        Args:
            ctx: keeps tensors and constants for the backward pass.
            images_nchw: maps (N, C, H, W).
            numbers: the constants.
            kernel: the implementation.

        Returns:
            The normalised maps.
        """
        output_nchw, saved = kernel.forward(images_nchw, numbers)
        ctx.save_for_backward(*saved)
        ctx.numbers, ctx.kernel = numbers, kernel
        return output_nchw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        kernel: Kernel = ctx.kernel
        return kernel.backward(ctx.saved_tensors, gradients[0], ctx.numbers), None, None
