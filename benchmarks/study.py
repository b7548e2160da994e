"""A whole study: this harness beside the template's way, and jobs beside threads.

    python benchmarks/study.py             nets A and D, 2 seeds, 2 epochs: about 4 minutes
    python benchmarks/study.py --full      sweeps=quickstart as it is: 18 runs of 5 epochs
    python benchmarks/study.py --full --without-one-job

The runs are those of ``sweeps=quickstart`` (cluttered digits at 32 px, width 1/8, batch norm) and
the wall time is that of one command, from its start to the end of its last process. Ours runs as
many single-thread jobs as there are cores (the default), or one job with all threads. The
template's way (``template.py``) is ``-m``: one run after the other in one process, with all
threads. Ours also writes the report; the data set is made beforehand for both.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from side_by_side import alternate, command, markdown, median, ratio

ROOT = Path(__file__).resolve().parent.parent
ONE_JOB = "ours: one job, all threads"
TEMPLATE = "the template's way"
COUNT = itertools.count()


def run(work: Path, arguments: Sequence[str]) -> None:
    """One command in a folder of its own; the data sets are shared.

    Raises:
        RuntimeError: it failed.
    """
    folder = work / f"study-{next(COUNT)}"
    folder.mkdir()
    command(folder, arguments)


def candidates(work: Path, models: str, seeds: str, epochs: int) -> dict[str, Callable[[], None]]:
    """Ways to train the same runs."""
    data = work / "datasets"
    sweep = [
        str(ROOT / "run.py"), "-m", "sweeps=quickstart", f"hydra.sweeper.params.model='{models}'",
        f"hydra.sweeper.params.seed='{seeds}'", f"recipe.epochs={epochs}", f"paths.data={data}",
        "study.looks=[]",
    ]  # fmt: skip
    theirs = [
        str(Path(__file__).with_name("template.py")), "-m", f"model={models}", f"seed={seeds}",
        f"epochs={epochs}", f"data={data}",
    ]  # fmt: skip
    return {
        "ours: a job a core, one thread each (default)": lambda: run(work, sweep),
        ONE_JOB: lambda: run(work, [*sweep, "launcher.jobs=1"]),
        TEMPLATE: lambda: run(work, theirs),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--without-one-job", action="store_true")
    parser.add_argument("--models", default="d,a")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    if options.full:
        options.models, options.seeds, options.epochs = "e,d,c,b,a_lrn,a", "0,1,2", 5
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        ways = candidates(work, options.models, options.seeds, options.epochs)
        if options.without_one_job:
            del ways[ONE_JOB]
        # Makes the data set, and measures the machine's ceiling once.
        run(
            work,
            [
                str(ROOT / "run.py"), "experiments=laptop", "recipe.epochs=1", "model.width=0.0625",
                "trainer.threads=1", "tracking=off", f"paths.data={work / 'datasets'}",
            ],
        )  # fmt: skip
        begun = time.time()
        times = alternate(ways, options.rounds, warm_up=0)
    count = len(options.models.split(",")) * len(options.seeds.split(","))
    rows = [(name, median(times, name), ratio(times, TEMPLATE, name)) for name in ways]
    print(markdown([f"{count} runs of {options.epochs} epochs", "s", f"x {TEMPLATE}"], rows))
    print(f"\n{options.rounds} rounds, {(time.time() - begun) / 60:.1f} minutes.")


if __name__ == "__main__":
    main()
