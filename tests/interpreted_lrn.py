"""Run by ``test_lrn_triton.py`` under TRITON_INTERPRET=1: Triton's LRN on a CPU, against torch's.

Triton reads the variable when it is imported, hence a process of its own. Prints a JSON object: of
each case the largest relative errors of output and gradient, and what else was tried.
"""

from __future__ import annotations

import json
from typing import Literal

import torch
from torch import Tensor, nn

from vgglab.models.kernels.lrn import IN_TORCH, Kernel
from vgglab.models.kernels.lrn_op import triton_kernel
from vgglab.models.kernels.select import lrn_kernel
from vgglab.models.lrn import local_response_norm

CASES: tuple[tuple[int, int, float, Literal["sum", "mean"], str], ...] = (
    (64, 5, 0.75, "sum", "float32"),
    (64, 5, 0.75, "sum", "bfloat16"),
    (64, 5, 0.75, "mean", "float16"),
    (96, 3, 0.75, "sum", "float32"),
    (96, 7, 0.75, "mean", "bfloat16"),
    (6, 7, 0.75, "mean", "float32"),
    (6, 5, 0.5, "sum", "float32"),
    (6, 3, 1.0, "sum", "bfloat16"),
    (3, 63, 0.75, "sum", "float32"),
    (17, 1, 0.75, "sum", "float32"),
)
"""Channels, size, beta, convention, dtype."""


def both_passes(
    kernel: Kernel,
    maps: tuple[Tensor, Tensor],
    size: int = 5,
    beta: float = 0.75,
    convention: Literal["sum", "mean"] = "sum",
) -> tuple[Tensor, Tensor]:
    """Output and gradient of local response normalisation.

    Args:
        kernel: computes it.
        maps: images (N, C, H, W) and the gradient by the output.
        size: of the window.
        beta: the power.
        convention: what alpha multiplies.

    Returns:
        The output and the gradient by the images.
    """
    x = maps[0].detach().requires_grad_()
    output = local_response_norm(
        x, size=size, alpha=1e-2, beta=beta, convention=convention, kernel=kernel
    )
    output.backward(maps[1])
    assert x.grad is not None
    assert output.stride() == x.grad.stride() == x.stride()
    assert output.dtype == x.grad.dtype == x.dtype
    return output.detach(), x.grad


def made(channels: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Maps of more than one program's tiles, the last of them filled in part; and a gradient."""
    generator = torch.Generator().manual_seed(3)
    x, gradient = torch.randn(2, 2, channels, 19, 15, generator=generator)
    return (30 * x).to(dtype).contiguous(memory_format=torch.channels_last), gradient.to(dtype)


def furthest(found: Tensor, exact: Tensor) -> float:
    """The largest error relative to the value, of values that are not next to nothing."""
    return float(((found.double() - exact).abs() / (exact.abs() + 1e-2)).max())


def errors(kernel: Kernel) -> dict[str, list[float]]:
    """The errors of each case, against torch's operations in float64."""
    found = {}
    for channels, size, beta, convention, name in CASES:
        maps = made(channels, getattr(torch, name))
        ours = both_passes(kernel, maps, size, beta, convention)
        wide = (maps[0].double(), maps[1].double())
        exact = both_passes(IN_TORCH, wide, size, beta, convention)
        label = f"{channels} {size} {beta} {convention} {name}"
        found[label] = [furthest(*pair) for pair in zip(ours, exact, strict=True)]
    return found


def layer_errors(kernel: Kernel) -> list[float]:
    """The errors against torch's own layer, whose alpha is that of the mean."""
    x, gradient = made(64, torch.float32)
    ours = both_passes(kernel, (x, gradient), convention="mean")
    wide = x.double().requires_grad_()
    output = nn.LocalResponseNorm(5, alpha=1e-2, beta=0.75, k=2.0)(wide)
    output.backward(gradient.double())
    assert wide.grad is not None
    return [furthest(ours[0], output.detach()), furthest(ours[1], wide.grad)]


def contiguous_errors() -> list[float]:
    """The errors for maps that the kernel leaves to another."""
    x, gradient = made(8, torch.float32)
    maps = x.contiguous(), gradient
    ours = both_passes(triton_kernel(otherwise=IN_TORCH), maps)
    return [furthest(*p) for p in zip(ours, both_passes(IN_TORCH, maps), strict=True)]


def apart(ours: Tensor, plain: Tensor) -> float:
    """The largest difference as a share of the largest value."""
    return float((ours - plain).abs().max() / plain.abs().max())


def in_a_net(kernel: Kernel, *, compiles: bool) -> list[Tensor]:
    """Gradients of a convolution under autocast with the layer behind it."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 16, 3, padding=1).to(memory_format=torch.channels_last)

    def run(x: Tensor) -> Tensor:
        return local_response_norm(convolution(x).relu(), kernel=kernel)

    call = torch.compile(run, fullgraph=True, backend="aot_eager") if compiles else run
    x = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        output = call(x)
    assert output.dtype == torch.bfloat16
    output.float().square().sum().backward()
    return [parameter.grad for parameter in convolution.parameters() if parameter.grad is not None]


def main() -> None:
    """Print the object."""
    kernel = lrn_kernel("triton", on_gpu=False)
    empty = torch.empty(0, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    plain = in_a_net(IN_TORCH, compiles=False)
    nets = [in_a_net(kernel, compiles=compiles) for compiles in (False, True)]
    print(
        json.dumps(
            {
                "name": kernel.name,
                "errors": errors(kernel),
                "layer": layer_errors(kernel),
                "empty": list(local_response_norm(empty, kernel=kernel).shape),
                "contiguous": contiguous_errors(),
                "nets": [[apart(*p) for p in zip(net, plain, strict=True)] for net in nets],
            }
        )
    )


if __name__ == "__main__":
    main()
