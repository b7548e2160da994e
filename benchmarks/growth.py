"""How time and memory of a training step grow with depth, width, batch and image size.

    python benchmarks/growth.py

One factor at a time around net A at width 1/4, 64 px, batch 32. Each point is a process of its own,
so that its peak memory is its own, and they take turns. Beside the time: what it would be if it
grew as the net's multiply-accumulates do.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from side_by_side import Worker, markdown

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.models.cost import describe


@dataclass(frozen=True)
class Point:
    """A net and what it is shown."""

    model: str = "a"
    width: float = 0.25
    batch: int = 32
    size: int = 64

    @property
    def macs(self) -> int:
        """Of a step's images, forward."""
        net = ModelConfig(name=self.model, width=self.width, dropout=0.0)
        cost = describe(net, NormConfig(name="batch"), classes=10, image_size=self.size)
        return cost.macs * self.batch


START = Point()
FACTORS: dict[str, list[Point]] = {
    "depth": [replace(START, model=name) for name in ("a", "b", "d", "e")],
    "width": [replace(START, width=width) for width in (0.125, 0.25, 0.5)],
    "batch": [replace(START, batch=batch) for batch in (16, 32, 64, 128)],
    "image size": [replace(START, size=size) for size in (32, 64, 128)],
}


def stepper(point: Point) -> Callable[[int], tuple[float, float]]:
    """Median seconds of so many steps, and the process's peak memory so far, MiB."""
    import torch

    from vgglab.config import InitConfig
    from vgglab.machine import computes_in_bf16
    from vgglab.models.build import build
    from vgglab.training.allocator import keep_freed_memory

    keep_freed_memory()
    net = build(
        ModelConfig(name=point.model, width=point.width, dropout=0.0),
        NormConfig(name="batch"),
        InitConfig(),
        classes=10,
        image_size=point.size,
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, 0.9, fused=True)
    images_nchw = torch.randn(point.batch, 3, point.size, point.size)
    images_nchw = images_nchw.contiguous(memory_format=torch.channels_last)
    labels_n = torch.arange(point.batch) % 10

    def step() -> float:
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=computes_in_bf16()):
            logits_nk = net(images_nchw)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits_nk.float(), labels_n).backward()
        optimizer.step()
        return time.perf_counter() - begun

    def steps(count: int) -> tuple[float, float]:
        seconds = statistics.median(step() for _ in range(count))
        return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    return steps


def rows_of(factor: str, points: list[Point], steps: int, rounds: int) -> list[tuple[object, ...]]:
    """One row a point of a factor."""
    workers = {point: Worker(stepper, point) for point in points}
    seconds: dict[Point, list[float]] = {point: [] for point in points}
    memory: dict[Point, float] = {}
    for turn in range(-1, rounds):
        for point in points if turn % 2 else reversed(points):
            took, memory[point] = workers[point](steps)
            if turn >= 0:
                seconds[point].append(took)
    for worker in workers.values():
        worker.close()
    first = points[0]
    of_first = statistics.median(seconds[first])
    rows: list[tuple[object, ...]] = []
    for point in points:
        took = statistics.median(seconds[point])
        grown, expected = took / of_first, point.macs / first.macs
        name = {
            "depth": point.model,
            "width": f"{point.width:g}",
            "batch": str(point.batch),
            "image size": f"{point.size} px",
        }[factor]
        rate = 6 * point.macs / took / 1e9  # a backward pass multiplies twice as much
        rows.append((f"{factor} {name}", 1e3 * took, grown, expected, rate, memory[point]))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=8, help="of a turn")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = [
        row
        for factor, points in FACTORS.items()
        for row in rows_of(factor, points, options.steps, options.rounds)
    ]
    headings = ["point", "ms a step", "x time", "x MACs", "GFLOP/s", "peak memory, MiB"]
    print(markdown(headings, rows))


if __name__ == "__main__":
    main()
