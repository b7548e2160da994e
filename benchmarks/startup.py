"""From the command to the first step: what a point of a sweep waits for, and what a typo does.

    python benchmarks/startup.py

Every candidate is a fresh process and they take turns. "To the first step" ends when the first
training step has been recorded; net A at width 1/16 on the digits, so that the step itself is
nothing. The first row is what any script of this stack pays before it does anything.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from side_by_side import command as run_command
from side_by_side import markdown, ratio

ROOT = Path(__file__).resolve().parent.parent
STACK = "import torch, pytorch_lightning, wandb"
FIRST_STEP = (
    "model.width=0.0625",
    "norm=batch",
    "data=cluttered_digits",
    "data.train_images=128",
    "data.validation_images=50",
    "data.test_images=50",
    "recipe.epochs=1",
    "recipe.batch_size=64",
    "trainer.log_every=1",
    "trainer.accelerator=cpu",
)


def seconds_of(work: Path, command: Sequence[str], expected: int = 0) -> float:
    """How long a command takes.

    Raises:
        RuntimeError: it did not end as it should.
    """
    begun = time.perf_counter()
    run_command(work, command, expected)
    return time.perf_counter() - begun


def ours_to_first_step(work: Path) -> float:
    """Seconds until a run of ours has recorded its first step."""
    runs = work / f"runs-{time.time_ns()}"
    begun = time.time()
    seconds_of(work, [str(ROOT / "run.py"), *FIRST_STEP, f"paths.runs={runs}"])
    (metrics,) = runs.glob("*/metrics.jsonl")
    first = json.loads(metrics.read_text(encoding="utf-8").partition("\n")[0])
    return float(first["time"]) - begun


def theirs_to_first_step(work: Path) -> float:
    """Seconds until the template's way has done its first step."""
    template = Path(__file__).with_name("template.py")
    arguments = ["width=0.0625", "epochs=1", "train_images=128", f"hydra.run.dir={work}/hydra"]
    begun = time.time()
    ended = subprocess.run(
        [sys.executable, str(template), *arguments],
        cwd=work,
        env=os.environ | {"WANDB_SILENT": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith('{"model"')]
    return float(json.loads(line)["first_step"]) - begun


def table(work: Path, rounds: int) -> str:
    """Markdown: seconds, and how many times the imports of the stack alone."""
    run = str(ROOT / "run.py")
    candidates: dict[str, Callable[[], float]] = {
        STACK: lambda: seconds_of(work, ["-c", STACK]),
        "what a run of ours imports": lambda: seconds_of(
            work,
            [
                "-c",
                "from vgglab.training.imports import import_lightning; import_lightning(); "
                "import vgglab.commands.main, vgglab.training.experiment, "
                "vgglab.tracking.wandb_run",
            ],
        ),
        "ours, to the first step": lambda: ours_to_first_step(work),
        "the template's way, to the first step": lambda: theirs_to_first_step(work),
        "run.py --help": lambda: seconds_of(work, [run, "--help"]),
        "run.py modle=a (a typo)": lambda: seconds_of(work, [run, "modle=a"], expected=2),
        "run.py task=runs": lambda: seconds_of(work, [run, "task=runs"]),
        "run.py task=describe": lambda: seconds_of(work, [run, "task=describe"]),
    }
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(-1, rounds):  # the first fills caches: of files, of the ceiling, of data
        for name in candidates if turn % 2 else reversed(candidates):
            seconds = candidates[name]()
            if turn >= 0:
                times[name].append(seconds)
    rows = [(n, statistics.median(found), ratio(times, n, STACK)) for n, found in times.items()]
    return markdown(["process", "s", f"x {STACK}"], rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=4)
    with tempfile.TemporaryDirectory() as folder:
        print(table(Path(folder), parser.parse_args().rounds))


if __name__ == "__main__":
    main()
