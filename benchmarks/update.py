"""A step's update in bf16 on a CPU: widen gradients, SGD, round weights; beside one pass for all.

    python benchmarks/update.py                  the default number of threads
    python benchmarks/update.py --threads 1      as a point of a laptop's study

Gradients in bf16 are there, as a backward pass leaves them. The two take turns, on weights and
momenta of their own. It takes 4 GiB of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from side_by_side import alternate, markdown, median, ratio
from torch import Tensor, nn
from torch.optim.sgd import SGD

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.kernels.build import has_kernels
from vgglab.models.kernels.select import keep_rounded
from vgglab.models.kernels.sgd import OnePassSGD
from vgglab.training.allocator import keep_freed_memory

SIZES = ((1.0, 224, 1000), (0.25, 32, 10), (0.125, 32, 10))
"""Width, side of the images in px, and classes."""


def net_of(width: float, size: int, classes: int) -> nn.Module:
    """VGG-D without batch norm, in the order in memory that it trains in."""
    model = ModelConfig(name="d", width=width)
    net = build(model, NormConfig(), InitConfig(), classes=classes, image_size=size)
    return net.to(memory_format=torch.channels_last)


def sgd(net: nn.Module) -> SGD:
    return SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4, fused=True)


def gradients(net: nn.Module) -> list[Tensor]:
    return [
        torch.randn_like(p, requires_grad=False).mul_(1e-3).bfloat16() for p in net.parameters()
    ]


def in_passes(net: nn.Module) -> Callable[[], None]:
    """What autocast and torch's fused SGD do to all parameters in a step."""
    optimizer, found, parameters = sgd(net), gradients(net), list(net.parameters())
    rounded = [torch.empty_like(p, dtype=torch.bfloat16) for p in parameters]
    for parameter in parameters:
        parameter.grad = torch.empty_like(parameter, requires_grad=False)

    def update() -> None:
        for parameter, gradient in zip(parameters, found, strict=True):
            assert parameter.grad is not None
            parameter.grad.copy_(gradient)
        optimizer.step()
        with torch.no_grad():
            for parameter, values in zip(parameters, rounded, strict=True):
                values.copy_(parameter)

    return update


def in_one_pass(net: nn.Module) -> Callable[[], object]:
    """The same by the kernel."""
    optimizer = OnePassSGD(sgd(net), keep_rounded(net))
    for parameter, gradient in zip(net.parameters(), gradients(net), strict=True):
        parameter.grad = gradient
    return optimizer.step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    if not has_kernels():
        raise SystemExit("the kernels in C++ cannot be built here")
    rows: list[list[object]] = []
    for width, size, classes in SIZES:
        net = net_of(width, size, classes)
        count = sum(p.numel() for p in net.parameters())
        ways: dict[str, Callable[[], object]] = {
            "passes": in_passes(net),
            "one": in_one_pass(net_of(width, size, classes)),
        }
        times = alternate(ways, options.rounds, warm_up=3)
        ms = [1e3 * median(times, name) for name in ways]
        rows.append([f"D, {size} px, width {width:g}", count, *ms, ratio(times, "passes", "one")])
    print(markdown(["net", "parameters", "passes, ms", "one pass, ms", "passes over it"], rows))
    print(f"\n{options.threads} threads, {options.rounds} rounds.")


if __name__ == "__main__":
    main()
