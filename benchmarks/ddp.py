"""What several devices bring: measured here on CPU processes, predicted for other hardware.

    python benchmarks/ddp.py             measure at world size 1 and 2, then predict
    python benchmarks/ddp.py predict     the tables of docs/scaling.md, nothing measured

Measured: a step of a net under DistributedDataParallel over gloo, with and without its
all-reduce; the difference is the communication that computing did not hide. And with the factors
of its fully connected layers in place of their gradients. Predicted: by
scaling_model, whose assumptions are printed with the numbers. The prediction for this
machine takes its rates from the measurements at world size 1 and from an all-reduce alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import socket
import statistics
import time
from typing import Any

from scaling_model import Hardware, growing, speedup, step_time

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.models.cost import NetCost, describe

NETS: tuple[str, ...] = ("a", "a_lrn", "b", "c", "d", "e")
SCALES: dict[str, int] = {"c": 3, "d": 3, "e": 3}
"""Training scales of ``sweeps=paper``: S = 256, S = 384 and jittered, as in the paper's Table 3."""
PAPER_IMAGES, PAPER_EPOCHS, PAPER_BATCH = 1_281_167, 74, 256
"""ImageNet's training images; epochs and batch of section 3.1 of the paper."""

D_ON_H100 = 420e12
"""FLOP/s of D's compiled step, 224 px, bf16, batch 256, on one H100: docs/performance.md."""
NVLINK = Hardware(
    name="8 x H100, NVLink",
    devices=8,
    operations=D_ON_H100,
    link=0.8 * 450e9,
)
ETHERNET = dataclasses.replace(
    NVLINK, name="4 nodes of 8 x H100, 25 GbE", nodes=4, network=0.9 * 25e9 / 8
)
PAPER = Hardware(
    name="4 x GTX Titan Black, PCIe 3.0 x16",
    devices=4,
    operations=0.4 * 5.1e12,
    link=0.75 * 15.75e9,
    factor_bytes=4,
)
ASSUMED = (
    f"Measured: an H100 at {D_ON_H100 / 1e12:.0f} TFLOP/s (bf16, D's compiled step at batch 256, "
    "make gpu-check). Assumed: NVLink at 80% of 450 GB/s, Ethernet at 90% of its rate and one "
    "port a node, Titan Black at 40% of 5.1 TFLOP/s (fp32), PCIe at 75% of 15.75 GB/s; 20 "
    "microseconds a hop; reading data and the optimiser's step take no time; other nets at D's "
    "rate. Factors in bf16 on H100, in fp32 on Titan Black."
)


def paper_net(name: str) -> NetCost:
    """A net of Table 1 at full size."""
    return describe(ModelConfig(name=name, width=1), NormConfig(), classes=1000, image_size=224)


def prediction_tables() -> str:
    """Markdown: scaling of net D, compression and buckets, hours of the paper's six nets."""
    cost = paper_net("d")
    lines = [
        ASSUMED,
        "",
        f"Net D, global batch {PAPER_BATCH}, gradients of {cost.parameters * 4 / 1e6:.0f} MB:",
        "",
    ]
    lines += [
        "| hardware | devices | step, ms | all-reduce, ms | not hidden, ms | speed-up | "
        "speed-up with bf16 gradients | speed-up with factors | speed-up with both |"
    ]
    lines += ["|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for hardware in (PAPER, NVLINK, ETHERNET):
        for size in growing(hardware):
            if hardware is ETHERNET and size.nodes == 1:
                continue  # the same as the row of one node
            step = step_time(cost, size, batch_size=PAPER_BATCH)
            rows = [
                speedup(cost, size, batch_size=PAPER_BATCH, bytes_each=b, factors=f)
                for f, b in ((False, 4), (False, 2), (True, 4), (True, 2))
            ]
            lines.append(
                f"| {hardware.name} | {size.size} | {1e3 * step.total:.1f} | "
                f"{1e3 * step.communication:.1f} | {1e3 * step.exposed:.1f} | "
                + " | ".join(f"{times:.2f}" for times in rows)
                + " |"
            )
    lines += ["", "The paper reports a speed-up of 3.75 on 4 GPUs (section 3.3).", ""]
    return "\n".join([*lines, *_bucket_table(cost), "", *_hours_table()]) + "\n"


def _bucket_table(cost: NetCost) -> list[str]:
    sizes = (1.0, 5.0, 25.0, 100.0, 1000.0)
    lines = ["Speed-up of net D by `trainer.bucket_mib`:", ""]
    lines += ["| hardware | " + " | ".join(f"{size:g}" for size in sizes) + " |"]
    lines += ["|---|" + "---:|" * len(sizes)]
    for hardware in (NVLINK, ETHERNET):
        steps = [step_time(cost, hardware, batch_size=PAPER_BATCH, bucket_mib=s) for s in sizes]
        cells = (f"{hardware.size * step.compute / step.total:.2f}" for step in steps)
        lines.append(f"| {hardware.name} | " + " | ".join(cells) + " |")
    return lines


def _hours_table() -> list[str]:
    one = dataclasses.replace(NVLINK, devices=1)
    lines = [f"Hours of {PAPER_EPOCHS} epochs of ImageNet at 224 px, one seed:", ""]
    lines += ["| net | 1 x H100 | 8 x H100, NVLink |", "|---|---:|---:|"]
    totals, sweep = [0.0, 0.0], [0.0, 0.0]
    for name in NETS:
        cost = paper_net(name)
        steps = PAPER_EPOCHS * PAPER_IMAGES / PAPER_BATCH
        hours = [
            steps * step_time(cost, h, batch_size=PAPER_BATCH).total / 3600 for h in (one, NVLINK)
        ]
        totals = [t + h for t, h in zip(totals, hours, strict=True)]
        sweep = [t + SCALES.get(name, 1) * h for t, h in zip(sweep, hours, strict=True)]
        lines.append(f"| {name} | {hours[0]:.1f} | {hours[1]:.1f} |")
    lines.append(f"| all six | {totals[0]:.1f} | {totals[1]:.1f} |")
    return [*lines, f"| `sweeps=paper` | {sweep[0]:.1f} | {sweep[1]:.1f} |"]


@dataclasses.dataclass(frozen=True)
class Measured:
    """Of one net at one world size; seconds."""

    step: float
    step_alone: float
    """Without the all-reduce."""
    all_reduce: float
    """Of all gradients at once, nothing else going on."""
    step_factors: float
    """With the factors of the fully connected layers in place of their gradients."""


def _process(rank: int, world: int, port: int, case: Any, results: Any) -> None:
    import torch
    import torch.distributed as dist

    from vgglab.config import InitConfig
    from vgglab.models.build import build
    from vgglab.models.linear import Exchange, exchanged_factors, factored_layers
    from vgglab.training.strategy import take_from_ddp

    model, image_size, batch_size, bucket_mib, repeats, threads = case
    torch.set_num_threads(threads)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=world)
    sums, factors = (
        build(model, NormConfig(), InitConfig(), classes=10, image_size=image_size)
        for _ in range(2)
    )
    take_from_ddp(factors)
    parallel_sums, parallel_factors = (
        torch.nn.parallel.DistributedDataParallel(
            net, gradient_as_bucket_view=True, bucket_cap_mb=bucket_mib
        )
        for net in (sums, factors)
    )
    images_nchw = torch.randn(batch_size // world, 3, image_size, image_size)
    labels_n = torch.zeros(len(images_nchw), dtype=torch.long)
    layers, exchange = list(factored_layers(factors).values()), Exchange(rows=len(images_nchw))

    def step(parallel: Any) -> None:
        torch.nn.functional.cross_entropy(parallel(images_nchw), labels_n).backward()

    def step_alone() -> None:
        with parallel_sums.no_sync():
            step(parallel_sums)

    def step_by_factors() -> None:
        with exchanged_factors(layers, exchange):
            step(parallel_factors)

    gradients = torch.zeros(sum(p.numel() for p in sums.parameters()))
    times = [
        _median(lambda: step(parallel_sums), repeats, dist.barrier),
        _median(step_alone, repeats, dist.barrier),
        _median(lambda: dist.all_reduce(gradients), repeats, dist.barrier),
        _median(step_by_factors, repeats, dist.barrier),
    ]
    if rank == 0:
        results.put(times)
    dist.barrier()
    dist.destroy_process_group()


def _median(action: Any, repeats: int, barrier: Any) -> float:
    times = []
    for _ in range(repeats + 2):
        barrier()
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])  # the first ones allocate


def measure(case: tuple[Any, ...], world: int) -> Measured:
    """Run ``world`` processes with one share of the cores each."""
    import torch.multiprocessing as mp
    from torch.multiprocessing.spawn import spawn

    context = mp.get_context("spawn")
    results = context.SimpleQueue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(_process, args=(world, port, case, results), nprocs=world)
    return Measured(*results.get())


def measured_table(options: argparse.Namespace) -> str:
    """Markdown: net by net, measured at 1 and 2 processes, beside the model's prediction."""
    shape = f"{options.image_size} px, width {options.width:g}, global batch {options.batch_size}"
    lines = [f"Measured here: {shape}, one thread a process, float32, gloo, 10 classes.", ""]
    lines += [
        "| net | gradients, MB | 1 process, ms | 2 processes, ms | speed-up | communication, % of "
        "the step | all-reduce alone, ms | predicted, ms | with factors, ms | predicted, ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in options.nets:
        model = ModelConfig(name=name, width=options.width, dropout=0.0)
        case = (
            model,
            options.image_size,
            options.batch_size,
            options.bucket_mib,
            options.repeats,
            1,
        )
        one, two = measure(case, 1), measure(case, 2)
        cost = describe(model, NormConfig(), classes=10, image_size=options.image_size)
        size = cost.parameters * 4
        here = Hardware(
            name="here",
            devices=2,
            # The rate of two processes at once: they share caches and memory.
            operations=6 * cost.macs * options.batch_size / 2 / two.step_alone,
            link=size / two.all_reduce,
            latency=0.0,
            factor_bytes=4,
        )
        sums, factors = (
            step_time(
                cost,
                here,
                batch_size=options.batch_size,
                bucket_mib=options.bucket_mib,
                factors=by_factors,
            ).total
            for by_factors in (False, True)
        )
        share = 100 * (two.step - two.step_alone) / two.step
        lines.append(
            f"| {name} | {size / 1e6:.1f} | {1e3 * one.step_alone:.1f} | {1e3 * two.step:.1f} | "
            f"{one.step_alone / two.step:.2f} | {share:.0f} | {1e3 * two.all_reduce:.1f} | "
            f"{1e3 * sums:.1f} | {1e3 * two.step_factors:.1f} | {1e3 * factors:.1f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("all", "predict"), default="all")
    parser.add_argument("--nets", nargs="+", default=["a", "d"], choices=NETS)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--bucket-mib", type=float, default=25.0)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    if options.what == "all":
        print(measured_table(options))
    print(prediction_tables(), end="")


if __name__ == "__main__":
    main()
