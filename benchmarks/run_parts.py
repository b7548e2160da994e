"""Where the wall time of a study's runs went, from what they have recorded.

    python benchmarks/run_parts.py RUNS        RUNS: the folder of a finished study's runs

Nothing is trained. A run's time is from its launch to its end, and parts are medians over the runs
of a net that were trained in one attempt: up to its first step (imports or the fork of a warm
process, data, net, W&B), steps, between steps (validations, checkpoints, records), and after the
last epoch (tests, W&B's end).
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from side_by_side import markdown

from vgglab.runs import RunRecord, State, load_runs, read_metrics


class Parts(NamedTuple):
    """Seconds of a run."""

    whole: float
    before: float
    """Up to its first step."""
    steps: float
    between: float
    after: float
    """Its last epoch."""
    mfu: float
    """Percent of the machine's measured ceiling that its steps reached."""


def parts_of(run: RunRecord) -> Parts | None:
    """The parts of a run; None where one attempt was not enough, or its launch is not known."""
    epochs = [r for r in read_metrics(run.directory.metrics) if "speed/epoch_seconds" in r]
    if len(run.status.history) != 1:
        return None
    (attempt,) = run.status.history
    if attempt.launched is None or attempt.ended is None:
        return None
    first, last = epochs[0], epochs[-1]
    images = [0.0, *(record["images_seen"] for record in epochs)]
    steps = sum(
        (later - earlier) / record["speed/images_per_second"]
        for (earlier, later), record in zip(itertools.pairwise(images), epochs, strict=True)
    )
    begun = first["time"] - first["speed/epoch_seconds"]
    return Parts(
        attempt.ended - attempt.launched,
        begun - attempt.launched,
        steps,
        last["time"] - begun - steps,
        attempt.ended - last["time"],
        run.result["speed"]["mfu"],
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, help="folder of the runs of a finished study")
    options = parser.parse_args()
    by_net: dict[str, list[Parts]] = defaultdict(list)
    for run in load_runs(options.runs):
        if run.status.state is State.FINISHED and (parts := parts_of(run)):
            by_net[run.config.model.name].append(parts)
    rows: list[list[object]] = []
    for net, found in by_net.items():
        shares = [
            [parts.whole, *(100 * part / parts.whole for part in parts[1:-1]), parts.mfu]
            for parts in found
        ]
        middle = [statistics.median(column) for column in zip(*shares, strict=True)]
        rows.append([net, len(found), *middle])
    heads = ["up to the first step, %", "steps, %", "between them, %", "after them, %"]
    print(markdown(["net", "runs", "s a run", *heads, "steps, % of the ceiling"], rows))


if __name__ == "__main__":
    main()
