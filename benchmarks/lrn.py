"""Local response normalisation, forward and backward, against the memory's own speed.

    python benchmarks/lrn.py                     fp32 and bf16, 8 x 64 x 224 x 224, channels_last
    python benchmarks/lrn.py --only cpp torch    some of the rows
    python benchmarks/lrn.py --shape 8 64 56 56  smaller maps
    python benchmarks/lrn.py --device cuda       on a GPU, 128 x 64 x 224 x 224

The floor is what memory alone takes: to copy a map (forward) and to add two maps into a third
(backward). No kernel that reads its input once and writes its output once can be faster.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from on_device import finished, free_memory, say
from side_by_side import Times, alternate, markdown, median, ratio
from torch import Tensor, nn

from vgglab.config.infrastructure import LrnKernelName
from vgglab.models.dropout import keyed_mask
from vgglab.models.kernels.select import lrn_kernel
from vgglab.models.lrn import local_response_norm
from vgglab.training.allocator import keep_freed_memory

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ROWS = {
    "floor": "floor: a copy and a sum",
    "auto": "ours, trainer.lrn_kernel=auto",
    "cpp": "ours, trainer.lrn_kernel=cpp",
    "triton": "ours, trainer.lrn_kernel=triton",
    "compiled": "ours, trainer.lrn_kernel=compiled",
    "torch": "ours, trainer.lrn_kernel=torch",
    "layer": "torch.nn.LocalResponseNorm",
    "layer_compiled": "torch.nn.LocalResponseNorm, compiled",
}
OF_DEVICE = {
    "cpu": ("cpp", "compiled", "torch", "layer", "layer_compiled"),
    "cuda": ("auto", "triton", "compiled", "torch", "layer", "layer_compiled"),
}
"""Rows of the table; C++ is for CPUs alone, Triton for GPUs."""


def maps_of(shape: list[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Random maps (N, C, H, W) in channels_last, as large as a first layer's."""
    return (
        (30 * torch.randn(shape, device=device))
        .to(dtype)
        .contiguous(memory_format=torch.channels_last)
    )


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
        on_gpu = images_nchw.device.type == "cuda"
        kernel = lrn_kernel(cast("LrnKernelName", name), on_gpu=on_gpu)
        if name not in (kernel.name, "auto"):
            return "cannot be built here"
        found = both_passes(lambda x: local_response_norm(x, kernel=kernel), images_nchw)
    try:
        found()
    except RuntimeError:  # torch's layer in bf16 on a CPU
        return "raises"
    return found


def measure(names: list[str], images_nchw: Tensor, rounds: int) -> tuple[Times, dict[str, str]]:
    """Seconds by row, and the rows that cannot be timed with the reason."""
    found = {name: candidate(name, images_nchw) for name in names}
    missing = {name: why for name, why in found.items() if isinstance(why, str)}
    ready = {
        name: finished(run, images_nchw.device)
        for name, run in found.items()
        if not isinstance(run, str)
    }
    return alternate(ready, rounds), missing


def say_masks(device: torch.device) -> None:
    """Whether dropout's masks are equal on the device and on the CPU, to the bit."""
    bits = np.random.default_rng(0).integers(-(2**31), 2**31, 512).astype(np.int32)
    keys_n = torch.from_numpy(bits)
    for layer in (0, 1):
        here = keyed_mask(keys_n, layer, 4096, 0.5)
        there = keyed_mask(keys_n.to(device), layer, 4096, 0.5).cpu()
        share = round(float((here == 0).float().mean()), 4)
        say(dropout_mask_of_layer=layer, equal_to_the_cpus=torch.equal(here, there), dropped=share)


def say_rows(times: Times, missing: dict[str, str], dtype: str) -> None:
    """Print a row each as JSON."""
    for name in (*times, *missing):
        if name in missing:
            say(row=ROWS[name], dtype=dtype, why=missing[name])
        else:
            milliseconds = round(1e3 * median(times, name), 3)
            over = round(ratio(times, name, "floor"), 3)
            say(row=ROWS[name], dtype=dtype, ms=milliseconds, x_floor=over)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(ROWS), help="by default all it has")
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--shape", type=int, nargs=4, help="by default 8 or 128 x 64 x 224 x 224")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="a line a row, and dropout's masks")
    parser.add_argument("--small", action="store_true", help="small maps, no compiler")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if options.device == "cpu":
        keep_freed_memory()
    torch.set_num_threads(1 if options.small else options.threads)
    device = torch.device(options.device)
    shape = options.shape or [128 if device.type == "cuda" else 8, 64, 224, 224]
    names = list(dict.fromkeys(["floor", *(options.only or OF_DEVICE[device.type])]))
    if options.small:
        shape, names = [2, 16, 8, 8], ["floor", "auto", "torch", "layer"]
    if options.json:
        say_masks(device)
    columns = {}
    for dtype in options.dtypes:
        columns[dtype] = measure(names, maps_of(shape, DTYPES[dtype], device), options.rounds)
        free_memory(device)
        if options.json:
            say_rows(*columns[dtype], dtype)
    if options.json:
        return
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
    print(
        f"\n{' x '.join(map(str, shape))}, channels_last, {options.threads} threads, "
        f"{options.rounds} rounds."
    )


if __name__ == "__main__":
    main()
