"""A whole study: this harness beside the template's way, another version, and jobs beside threads.

    python benchmarks/study.py             nets A and D, 2 seeds, 2 epochs: about 4 minutes
    python benchmarks/study.py --full      all nets of sweeps=quickstart, 3 seeds: 18 runs
    python benchmarks/study.py --full --without one-job template --beside OTHER_CHECKOUT

The runs are those of ``sweeps=quickstart`` (cluttered digits at 32 px, width 1/8, batch norm) with
all seeds in one look, 20,000 test images and a warm-up of 2 epochs (1 of 2). The wall time is that
of one command, from its start to the end of its last process. Ours runs as many single-thread jobs
as there are cores (the default), or one job with all threads. The template's way (``template.py``)
is ``-m``: one run after the other in one process, with all threads. Ours also writes the report;
the data set is made beforehand for all. Of another checkout the same recipe is trained by its own
code, and the errors of both are compared seed by seed.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from side_by_side import alternate, command, markdown, median, ratio

ROOT = Path(__file__).resolve().parent.parent
OURS = "ours: a job a core, one thread each (default)"
ONE_JOB = "ours: one job, all threads"
TEMPLATE = "the template's way"
OTHER = "the other checkout: a job a core"

Results = Mapping[tuple[str, int], tuple[float, float]]
"""Test error in percent and peak memory in MiB, by net and seed."""


@dataclass(frozen=True)
class Runs:
    """What every candidate trains: nets and seeds, as Hydra's sweeper takes them, and epochs."""

    models: str
    seeds: str
    epochs: int

    @property
    def count(self) -> int:
        """Runs of one study."""
        return len(self.models.split(",")) * len(self.seeds.split(","))


class Checkout:
    """A version of this project, with its own data set and its studies in one folder."""

    def __init__(self, root: Path, work: Path) -> None:
        self.root, self.work = root, work
        self.studies = 0
        work.mkdir()

    def _command(self, folder: Path, arguments: list[str]) -> None:
        folder.mkdir()
        words = [
            str(self.root / "run.py"), *arguments, f"paths.data={self.work / 'datasets'}",
            "data.test_images=20000",  # older versions tested with fewer
        ]  # fmt: skip
        command(folder, words, variables={"PYTHONPATH": str(self.root / "src")})

    def prepare(self) -> None:
        """Makes the data set and the kernels, and measures the machine's ceiling once."""
        self._command(
            self.work / "first",
            [
                "experiments=laptop", "recipe.epochs=1", "recipe.schedule.warmup_epochs=0",
                "model.width=0.0625", "trainer.threads=1", "tracking=off",
            ],
        )  # fmt: skip

    def study(self, runs: Runs, *others: str) -> None:
        """Train and report all runs, without looks, for every candidate has to train them all."""
        has_looks = "looks:" in (self.root / "sweeps" / "quickstart.yaml").read_text()
        self.studies += 1
        self._command(
            self.work / f"study-{self.studies}",
            [
                "-m", "sweeps=quickstart", f"hydra.sweeper.params.model='{runs.models}'",
                f"hydra.sweeper.params.seed='{runs.seeds}'", f"recipe.epochs={runs.epochs}",
                f"recipe.schedule.warmup_epochs={min(2, runs.epochs - 1)}",
                *(["study.looks=[]"] if has_looks else []), *others,
            ],
        )  # fmt: skip

    def results(self) -> Results:
        """Of the last study."""
        table = self.work / f"study-{self.studies}" / "studies" / "quickstart" / "results.csv"
        with table.open() as file:
            return {
                (row["model"], int(row["seed"])): (
                    float(row["top1_error"]),
                    float(row["peak_memory_mib"]),
                )
                for row in csv.DictReader(file)
                if row["protocol"] == "center"
            }


def template(work: Path, runs: Runs) -> None:
    """The template's way, with the data set that ours has made."""
    folder = Path(tempfile.mkdtemp(dir=work))
    command(
        folder,
        [
            str(Path(__file__).with_name("template.py")), "-m", f"model={runs.models}",
            f"seed={runs.seeds}", f"epochs={runs.epochs}", f"data={work / 'datasets'}",
        ],
    )  # fmt: skip


def beside(ours: Results, theirs: Results) -> str:
    """A table of two versions by net: mean errors, their differences over pairs of one seed, and
    the median of the runs' peak memory."""
    nets: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for net, seed in sorted(ours):
        nets[net].append((net, seed))
    nets["all"] = list(ours)
    rows: list[list[object]] = []
    for net, runs in nets.items():
        both = [[side[run][0] for run in runs] for side in (ours, theirs)]
        memory = [statistics.median(side[run][1] for run in runs) for side in (ours, theirs)]
        differences = [one - other for one, other in zip(*both, strict=True)]
        scatter = statistics.stdev(differences) / len(runs) ** 0.5 if len(runs) > 1 else None
        means = map(statistics.mean, (*both, differences))
        rows.append([net, len(runs), *means, scatter, *memory])
    return markdown(
        [
            "net", "runs", "ours, %", "the other's, %", "difference", "standard error",
            "ours, MiB", "the other's, MiB",
        ],
        rows,
    )  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--without", nargs="*", choices=["one-job", "template"], default=[])
    parser.add_argument("--beside", type=Path, help="another checkout of this project")
    parser.add_argument("--models", default="d,a")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    runs = Runs(options.models, options.seeds, options.epochs)
    if options.full:
        runs = Runs("e,d,c,b,a_lrn,a", "0,1,2", 5)
    with tempfile.TemporaryDirectory() as folder:
        ours = Checkout(ROOT, Path(folder) / "ours")
        ways: dict[str, Callable[[], None]] = {OURS: lambda: ours.study(runs)}
        if "one-job" not in options.without:
            ways[ONE_JOB] = lambda: ours.study(runs, "launcher.jobs=1")
        if "template" not in options.without:
            ways[TEMPLATE] = lambda: template(ours.work, runs)
        ours.prepare()
        if options.beside:
            other = Checkout(options.beside.resolve(), Path(folder) / "other")
            ways[OTHER] = lambda: other.study(runs)
            other.prepare()
        begun = time.time()
        times = alternate(ways, options.rounds, warm_up=0)
        rows = [(name, median(times, name), ratio(times, name, OURS)) for name in ways]
        print(markdown([f"{runs.count} runs of {runs.epochs} epochs", "s", "x ours"], rows))
        if options.beside:
            print(f"\n{beside(ours.results(), other.results())}")
    print(f"\n{options.rounds} rounds, {(time.time() - begun) / 60:.1f} minutes.")


if __name__ == "__main__":
    main()
