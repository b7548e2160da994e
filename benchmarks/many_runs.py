"""How commands grow with the number of runs: report, runs and sync of copied run folders.

    python benchmarks/many_runs.py RUNS                    RUNS: of a finished sweeps=quickstart
    python benchmarks/many_runs.py RUNS --counts 18 1000 10000 --report-up-to 1000

Nothing is trained: the folders of a real study are linked again and again under other seeds, so
that what a command reads of a run is of real size. Every command is a process of its own, and its
first run, which finds no cache of its own, is the one that counts.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import yaml
from side_by_side import markdown

from vgglab.config.parse import parse
from vgglab.data.sources.registry import fingerprint
from vgglab.runs import RunDirectory, run_id
from vgglab.workflow.provenance import write_config

ROOT = Path(__file__).resolve().parent.parent
LINKED = ("metrics.jsonl", "status.json", "predictions/center.parquet")


def copied(templates: Sequence[Path], folder: Path, count: int) -> int:
    """Make run folders of a study of ``quickstart``'s nets, and return how many seeds they have.

    Args:
        templates: folders of finished runs; those of a net take turns.
        folder: of the runs to be made.
        count: the fewest of them.
    """
    by_net: dict[str, list[Path]] = defaultdict(list)
    for template in templates:
        by_net[template.name.split("-")[0]].append(template)
    seeds = -(-count // len(by_net))
    for runs in by_net.values():
        configs = [parse(yaml.safe_load((run / "config.yaml").read_text())) for run in runs]
        about = fingerprint(configs[0].data, ROOT)
        turns = itertools.cycle(list(zip(runs, configs, strict=True)))
        for seed, (run, config) in zip(range(seeds), turns, strict=False):
            seeded = dataclasses.replace(config, seed=seed)
            made = RunDirectory(folder / run_id(seeded, about))
            (made.path / "predictions").mkdir(parents=True)
            write_config(made, seeded)
            result = (run / "result.json").read_text().replace(run.name, made.id)
            made.result.write_text(result)
            for name in LINKED:
                os.link(run / name, made.path / name)
    return seeds


def seconds(folder: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds of a command in a folder, and its peak memory, MiB.

    Raises:
        RuntimeError: it failed.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said, _ = process.communicate()
    took = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {said[-800:]}")
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, help="folder of the runs of a finished quickstart")
    parser.add_argument("--counts", type=int, nargs="+", default=[18, 1000, 10_000])
    parser.add_argument("--report-up-to", type=int, default=1000)
    options = parser.parse_args()
    templates = sorted(path for path in options.runs.resolve().iterdir() if path.is_dir())
    rows: list[list[object]] = []
    for count in options.counts:
        # Beside the templates, so that their predictions need no room.
        with tempfile.TemporaryDirectory(dir=options.runs.resolve().parent) as name:
            folder = Path(name)
            seeds = copied(templates, folder / "runs", count)
            study = ["sweeps=quickstart", f"hydra.sweeper.params.seed='range({seeds})'"]
            commands = {
                "task=runs": ["task=runs"],
                "task=runs sweeps=quickstart": ["task=runs", *study, "study.looks=[]"],
            }
            if count <= options.report_up_to:
                commands["task=report"] = ["task=report", *study, "study.looks=[]"]
            for what, arguments in commands.items():
                took, peak = seconds(folder, arguments)
                rows.append([f"{what}, {6 * seeds:,} runs", took, peak])
                print(markdown(["command", "s", "peak memory so far, MiB"], rows[-1:]), flush=True)
    print(markdown(["command", "s", "peak memory so far, MiB"], rows))


if __name__ == "__main__":
    main()
