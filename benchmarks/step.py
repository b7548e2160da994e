"""A training step: ours, and what users would run instead, in turns.

    python benchmarks/step.py                        A, A-LRN, D, E at 224 px and, narrow, at 32 px
    python benchmarks/step.py --nets d --sizes 224   one row
    python benchmarks/step.py --without timm fp32    fewer columns
    python benchmarks/step.py --nets a d --sizes 32 --width 0.125 --norm batch --batch 64 \
        --threads 1 --without fp32 bf16 timm         a point of sweeps=quickstart
    python benchmarks/step.py --device cuda --batch 64 --sizes 224   on a GPU (see gpu_check.py)

Every column has a process of its own. The peers are loops as in torchvision's references (cross
entropy, SGD with momentum and weight decay, loss and accuracy of each batch): in fp32 as it comes,
and with bf16 autocast and channels_last; the same with timm's model and optimiser. Ours is the
harness's own step (module, meters, keyed dropout, kernels), without Lightning's loop around it,
which benchmarks/overhead.py has. Images are in memory, normalised. The ceiling is what the
convolutions reach alone, each layer's forward and backward by itself, in FLOP/s.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
from collections.abc import Mapping

import torch
from side_by_side import Worker, alternate, markdown, median, ratio
from step_candidates import TIMM, Case, Convolutions, Ours, Peer

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.models.cost import describe

CHOICES = ("a", "a_lrn", "b", "c", "d", "e")
CASES = {224: (1.0, 8, 1), 32: (0.25, 128, 4)}
"""By image size: width, batch, steps."""


def operations(case: Case) -> tuple[float, float]:
    """FLOP of a step on a batch: of the whole net, and of its convolutions."""
    model = ModelConfig(name=case.net, width=case.width)
    rows = describe(model, NormConfig(), classes=case.classes, image_size=case.size).layers
    # Forward, by weights, by inputs; the first layer's inputs are the images.
    macs = {"conv": 0, "fc": 0}
    for row in rows:
        if row.type in ("conv", "fc"):
            is_first = not macs["conv"]
            macs[row.type] += row.macs * (2 if is_first else 3)
    return 2.0 * case.batch * sum(macs.values()), 2.0 * case.batch * macs["conv"]


PEERS = ("fp32", "bf16", "timm")


def row_of(case: Case, workers: Mapping[str, Worker], rounds: int) -> list[object]:
    """Images a second of ours, then those of each peer with ours over them, then of the ceiling."""
    missing, ready = {}, {}
    for name, worker in workers.items():
        if name == "timm" and (case.width != 1 or case.net not in TIMM):
            missing[name] = "has none"
            continue
        try:
            worker(case)  # builds the net
            ready[name] = functools.partial(worker, case)
        except RuntimeError as error:
            if "not implemented" not in str(error):
                raise
            missing[name] = "raises"  # torch's LRN in bf16
    times = alternate(ready, rounds)
    images = case.batch * case.steps
    cells: list[object] = [f"{case.net}, {case.size} px", case.width, case.batch]
    cells.append(images / median(times, "ours"))
    for name in PEERS:
        if name in times:
            cells += [images / median(times, name), ratio(times, name, "ours")]
        else:
            cells += [missing.get(name), None]
    whole, convolutions = operations(case)
    share = None
    if "convolutions" in times:
        share = 100 * whole / convolutions * ratio(times, "convolutions", "ours")
    return [*cells, share]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nets", nargs="+", choices=CHOICES, default=["a", "a_lrn", "d", "e"])
    parser.add_argument("--sizes", nargs="+", type=int, choices=list(CASES), default=list(CASES))
    parser.add_argument("--without", nargs="+", choices=[*PEERS, "convolutions"], default=[])
    parser.add_argument("--batch", type=int, help="images of a step; by default 8, or 128 of 32 px")
    parser.add_argument("--width", type=float, help="by default 1, or 1/4 at 32 px")
    parser.add_argument("--norm", choices=["none", "batch"], default="none")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    threads = options.threads
    workers = {"ours": Worker(Ours, threads), "convolutions": Worker(Convolutions, threads)}
    for kind in PEERS:
        if kind == "timm" and importlib.util.find_spec("timm") is None:
            print("timm is not installed: its column stays empty")
        elif kind not in options.without:
            workers[kind] = Worker(Peer, kind, threads)
    if "convolutions" in options.without:
        workers.pop("convolutions").close()
    rows, cases = [], {}
    for size in options.sizes:
        width, batch, steps = CASES[size]
        for net in options.nets:
            case = Case(
                net, options.width or width, size, options.batch or batch, steps, options.device,
                options.norm,
            )  # fmt: skip
            cases[net, size] = case
            rows.append(row_of(case, workers, options.rounds))
    headings = ["net", "width", "batch", "ours, img/s"]
    headings += ["loop, fp32", "ours over it", "loop, bf16", "ours over it", "timm, bf16"]
    print(markdown([*headings, "ours over it", "% of the convolutions' FLOP/s"], rows))
    for size in options.sizes:
        if {("a", size), ("a_lrn", size)} <= cases.keys():
            pair = {net: cases[net, size] for net in ("a", "a_lrn")}
            times = alternate(
                {net: functools.partial(workers["ours"], case) for net, case in pair.items()},
                2 * options.rounds,
            )
            share = 100 * (ratio(times, "a_lrn", "a") - 1)
            print(f"\nA-LRN's step over A's, {size} px: {share:+.1f}%")
    print(f"\n{threads} threads, {options.rounds} rounds.")
    for worker in workers.values():
        worker.close()


if __name__ == "__main__":
    main()
