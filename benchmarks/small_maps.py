"""The gradient of 3x3 filters over small maps: oneDNN's kernel beside a matrix product.

    python benchmarks/small_maps.py                 the default number of threads
    python benchmarks/small_maps.py --threads 1     as a point of a laptop's study
    python benchmarks/small_maps.py --precision fp32

The layers are of the last blocks of nets at 32 px, at widths 1/8, 1/4 and 1, and of larger maps,
over which oneDNN is the faster one. The two take turns.
"""

from __future__ import annotations

import argparse
import functools

import torch
from side_by_side import alternate, markdown, median, ratio
from torch import Tensor

from vgglab.models.kernels.conv_matmul import LARGEST_MAP, gradient_by_filters
from vgglab.training.allocator import keep_freed_memory

LAYERS = (  # channels, side of the map, images
    (64, 2, 64),
    (64, 4, 64),
    (128, 2, 128),
    (128, 4, 128),
    (512, 2, 128),
    (512, 4, 128),
    (64, 8, 64),
    (128, 8, 128),
    (64, 16, 64),
)
REPEATS = 5
"""Of a layer, timed together: one is too short for a clock."""


def by_onednn(gradient_nohw: Tensor, maps_nchw: Tensor, weight_oikk: Tensor) -> None:
    sizes = [1, 1], [1, 1], [1, 1], False, [0, 0], 1
    for _ in range(REPEATS):
        torch.ops.aten.convolution_backward(
            gradient_nohw, maps_nchw, weight_oikk, [len(weight_oikk)], *sizes, [False, True, True]
        )


def by_matmul(gradient_nohw: Tensor, maps_nchw: Tensor, weight_oikk: Tensor) -> None:
    for _ in range(REPEATS):
        gradient_by_filters(gradient_nohw, maps_nchw, weight_oikk.shape, (1, 1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    rows: list[list[object]] = []
    for channels, side, images in LAYERS:
        shape, filters = (images, channels, side, side), (channels, channels, 3, 3)
        gradient_nohw, maps_nchw, weight_oikk = (
            torch.randn(size, dtype=dtype).contiguous(memory_format=torch.channels_last)
            for size in (shape, shape, filters)
        )
        given = gradient_nohw, maps_nchw, weight_oikk
        ways = {"onednn": by_onednn, "matmul": by_matmul}
        times = alternate(
            {name: functools.partial(way, *given) for name, way in ways.items()},
            options.rounds,
            warm_up=3,
        )
        ms = [1e3 * median(times, name) / REPEATS for name in ways]
        used = "yes" if side * side <= LARGEST_MAP else "no"
        rows.append(
            [
                f"{channels} channels, {side}x{side} px, {images} images",
                *ms,
                ratio(times, "onednn", "matmul"),
                used,
            ]
        )
    print(markdown(["layer", "oneDNN, ms", "product, ms", "oneDNN over it", "used"], rows))
    print(f"\n{options.threads} threads, {options.rounds} rounds.")


if __name__ == "__main__":
    main()
