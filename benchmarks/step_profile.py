"""What a training step of ours spends its time on, by torch's profiler.

    python benchmarks/step_profile.py                    D at 224 px, batch 8
    python benchmarks/step_profile.py --batch 32
    python benchmarks/step_profile.py --size 32 --width 0.125 --batch 64 --norm batch --threads 1
                                                         a point of sweeps=quickstart

The same step as in benchmarks/step.py. Operations are put together by what they are for; the
profiler makes small ones look longer than they are.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from typing import Any

import torch
from side_by_side import markdown
from step import CASES, CHOICES
from step_candidates import Case, Ours, plain_net
from torch.profiler import ProfilerActivity, profile

PURPOSES = {
    "convolutions": ("mkldnn_convolution", "convolution_backward"),
    "fully connected layers": ("addmm", "mm"),
    "SGD": ("_fused_sgd_", "sgd_"),
    "max-pooling with its ReLU": ("max_pool_forward", "max_pool_backward"),
    "other ReLUs": ("clamp_min_", "threshold_backward"),
    "LRN": ("lrn_forward", "lrn_backward"),
    "batch norm with its ReLU": (
        "batch_norm_moments",
        "batch_norm_forward",
        "batch_norm_backward_sums",
        "batch_norm_backward",
        "_BatchNormBackward",
    ),
    "memory for results": ("empty", "resize_"),
}
ROUNDING = "copies of weights and gradients"
"""In bf16: weights are rounded to it, and their gradients brought back to fp32."""
REST = "everything else"


def purpose(event: Any, weights: set[tuple[int, ...]]) -> str:
    """What an operation is for: by its name, and a copy by whether it is of a weight's shape."""
    name = event.key.rpartition("::")[2]
    if name == "copy_" and tuple(event.input_shapes[0]) in weights:
        return ROUNDING
    return next((what for what, names in PURPOSES.items() if name in names), REST)


def shares(case: Case, rounds: int, threads: int) -> dict[str, float]:
    """Purpose -> milliseconds of a step, the median over rounds."""
    ours = Ours(threads)
    with torch.device("meta"):
        weights = {tuple(p.shape) for p in plain_net(case).parameters() if p.dim() > 1}
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for _ in range(2):  # what the last round left in memory is in the way of the first step
            ours(case)
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
            ours(case)
        total: dict[str, float] = defaultdict(float)
        for event in profiler.key_averages(group_by_input_shape=True):
            total[purpose(event, weights)] += event.self_cpu_time_total / 1e3 / case.steps
        for what in [*PURPOSES, ROUNDING, REST]:
            found[what].append(total[what])
    return {what: statistics.median(times) for what, times in found.items() if any(times)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--net", choices=CHOICES, default="d")
    parser.add_argument("--size", type=int, choices=list(CASES), default=224)
    parser.add_argument("--width", type=float, help="by default 1, or 1/4 at 32 px")
    parser.add_argument("--norm", choices=["none", "batch"], default="none")
    parser.add_argument("--batch", type=int, help="images of a step; by default 8, or 128 of 32 px")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    width, batch, steps = CASES[options.size]
    case = Case(
        options.net, options.width or width, options.size, options.batch or batch, steps,
        norm=options.norm,
    )  # fmt: skip
    found = shares(case, options.rounds, options.threads)
    whole = sum(found.values())
    rows = [(what, time, 100 * time / whole) for what, time in found.items()]
    rows.sort(key=lambda row: -row[1])
    heading = f"a step of {case.net} at width {case.width:g}, {case.size} px, batch {case.batch}"
    print(markdown([heading, "ms", "%"], [*rows, ("together", whole, 100)]))


if __name__ == "__main__":
    main()
