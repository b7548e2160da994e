"""Local response normalisation, forward and backward, against the memory's own speed.

    python benchmarks/lrn.py                     fp32 and bf16, 8 x 64 x 224 x 224, channels_last
    python benchmarks/lrn.py --only cpp torch    some of the rows
    python benchmarks/lrn.py --shape 8 64 56 56  smaller maps

The floor is what memory alone takes: to copy a map (forward) and to add two maps into a third
(backward). No kernel that reads its input once and writes its output once can be faster.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import cast

import torch
from side_by_side import Times, alternate, markdown, median, ratio
from torch import Tensor, nn

from vgglab.config.infrastructure import LrnKernelName
from vgglab.models.kernels.select import lrn_kernel
from vgglab.models.lrn import local_response_norm
from vgglab.training.allocator import keep_freed_memory

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ROWS = {
    "floor": "floor: a copy and a sum",
    "cpp": "ours, trainer.lrn_kernel=cpp",
    "compiled": "ours, trainer.lrn_kernel=compiled",
    "torch": "ours, trainer.lrn_kernel=torch",
    "layer": "torch.nn.LocalResponseNorm",
    "layer_compiled": "torch.nn.LocalResponseNorm, compiled",
}


def maps_of(shape: list[int], dtype: torch.dtype) -> Tensor:
    """Random maps (N, C, H, W) in channels_last, as large as a first layer's."""
    return (30 * torch.randn(shape)).to(dtype).contiguous(memory_format=torch.channels_last)


def both_passes(layer: Callable[[Tensor], Tensor], images_nchw: Tensor) -> Callable[[], object]:
    """Forward and backward of a layer."""
    gradient_nchw = torch.ones_like(images_nchw)

    def run() -> None:
        layer(images_nchw.detach().requires_grad_()).backward(gradient_nchw)

    return run


def candidate(name: str, images_nchw: Tensor) -> Callable[[], object] | str:
    """What a row times, or why it has no time."""
    if name == "floor":
        other_nchw, result_nchw = torch.ones_like(images_nchw), torch.empty_like(images_nchw)

        def floor() -> None:
            result_nchw.copy_(images_nchw)
            torch.add(images_nchw, other_nchw, out=result_nchw)

        return floor
    if name in ("layer", "layer_compiled"):
        layer: Callable[[Tensor], Tensor] = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        found = both_passes(torch.compile(layer) if "compiled" in name else layer, images_nchw)
    else:
        kernel = lrn_kernel(cast("LrnKernelName", name), on_gpu=False)
        if kernel.name != name:
            return "cannot be built here"
        found = both_passes(lambda x: local_response_norm(x, kernel=kernel), images_nchw)
    try:
        found()
    except RuntimeError:  # torch's layer in bf16 on a CPU
        return "raises"
    return found


def measure(
    names: list[str], shape: list[int], dtype: torch.dtype, rounds: int
) -> tuple[Times, dict[str, str]]:
    """Seconds by row, and the rows that cannot be timed with the reason."""
    images_nchw = maps_of(shape, dtype)
    found = {name: candidate(name, images_nchw) for name in names}
    missing = {name: why for name, why in found.items() if isinstance(why, str)}
    ready = {name: run for name, run in found.items() if not isinstance(run, str)}
    return alternate(ready, rounds), missing


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--shape", type=int, nargs=4, default=[8, 64, 224, 224])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    names = list(dict.fromkeys(["floor", *options.only]))
    columns = {
        dtype: measure(names, options.shape, DTYPES[dtype], options.rounds)
        for dtype in options.dtypes
    }
    rows = []
    for name in names:
        row: list[object] = [ROWS[name]]
        for times, missing in columns.values():
            if name in missing:
                row += [missing[name], None]
            else:
                row += [1e3 * median(times, name), ratio(times, name, "floor")]
        rows.append(row)
    headings = ["forward + backward"]
    for dtype in options.dtypes:
        headings += [f"{dtype}, ms", "x floor"]
    print(markdown(headings, rows))
    shape = " x ".join(map(str, options.shape))
    print(f"\n{shape}, channels_last, {options.threads} threads, {options.rounds} rounds.")


if __name__ == "__main__":
    main()
