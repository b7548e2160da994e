"""What a batch size and a division of the cores cost at the laptop's size.

    python benchmarks/batch_and_threads.py

A point of ``sweeps=quickstart`` (32 px, width 1/8, batch norm), trained by our own step: as many
runs side by side as there are cores, of one thread each, which is a sweep's default, and one run
with all threads. Images a second are those of all runs together; the divisions take turns.
"""

from __future__ import annotations

import argparse
import functools
from concurrent.futures import ThreadPoolExecutor
from itertools import product

from side_by_side import Worker, alternate, markdown, median
from step_candidates import Case, Ours

from vgglab.machine import cores

IMAGES = 2048
"""Of a turn, so that all batches take about as long."""
BATCHES = (16, 32, 64, 128, 256)


class Division:
    """So many runs at a time, each in a process of its own with so many threads."""

    def __init__(self, runs: int, threads: int) -> None:
        self._workers = [Worker(Ours, threads) for _ in range(runs)]
        self._callers = ThreadPoolExecutor(runs)

    def __call__(self, case: Case) -> None:
        """The steps of a case in each of them, at the same time."""
        list(self._callers.map(lambda worker: worker(case), self._workers))

    @property
    def runs(self) -> int:
        return len(self._workers)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nets", nargs="+", default=["a", "d"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ways = {"a run a core": Division(cores(), 1), "one run": Division(1, cores())}
    rows: list[list[object]] = []
    for net, batch in product(options.nets, BATCHES):
        case = Case(net, 0.125, 32, batch, IMAGES // batch, "cpu", "batch")
        turns = {name: functools.partial(way, case) for name, way in ways.items()}
        times = alternate(turns, options.rounds)
        speeds = [ways[name].runs * IMAGES / median(times, name) for name in ways]
        rows.append([f"{net}, batch {batch}", *speeds, speeds[0] / speeds[1]])
    print(markdown(["net", *(f"{name}, img/s" for name in ways), "the first over it"], rows))
    print(f"\n{cores()} cores, {options.rounds} rounds.")
    for way in ways.values():
        way.close()


if __name__ == "__main__":
    main()
