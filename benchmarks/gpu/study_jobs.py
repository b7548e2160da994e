"""Seconds of a study of A to E, so many points at a time on one GPU.

    python -m gpu.study_jobs FOLDER --device cuda --jobs 5

Where the time is up before the last point has ended, the row says how many had.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from on_device import say

import vgglab

ROOT = Path(vgglab.__file__).resolve().parents[2]


def overrides(folder: Path, jobs: int, device: str, *, small: bool) -> list[str]:
    """Of the command that trains the study.

    Args:
        folder: for runs, studies and data.
        jobs: points at a time.
        device: ``cpu`` or ``cuda``.
        small: two narrow nets for one epoch.
    """
    points = ["model=a,b", "model.width=0.0625", "recipe.epochs=1", "data=digits"]
    points += ["data.classes=6", "trainer.threads=1"]
    if not small:
        points = ["model=a,b,c,d,e", "recipe.epochs=2", "data=cluttered_digits"]
        points += ["data.validation_images=512", "data.test_images=512"]
    return [
        *points,
        "study.name=jobs",
        "norm=batch",
        "trainer.compile=none",
        f"trainer={'gpu' if device == 'cuda' else 'cpu'}",
        "tracking=off",
        f"launcher.jobs={jobs}",
        *(f"paths.{name}={folder / name}" for name in ("runs", "studies", "data")),
    ]


def results(folder: Path) -> list[dict[str, Any]]:
    """``result.json`` of the runs that have one."""
    paths = sorted(folder.glob("runs/*/result.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def main() -> None:
    """Train the study, and print a row for it and for each of its points."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--jobs", type=int, default=5)
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True)
    arguments = overrides(folder, options.jobs, options.device, small=options.small)
    begun = time.monotonic()
    command = [sys.executable, str(ROOT / "run.py"), "-m", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=sys.stderr) as study:
        done = 0
        while study.poll() is None:
            time.sleep(0.2)
            if (finished := len(results(folder))) > done:
                done = finished
                seconds = round(time.monotonic() - begun, 1)
                say(jobs=options.jobs, finished=done, after_seconds=seconds)
    seconds = time.monotonic() - begun
    say(jobs=options.jobs, whole_study_seconds=round(seconds, 1), exit_code=study.returncode)
    for result in results(folder):
        speed = result["speed"]
        say(
            run=result["run"],
            top1_error=result["errors"]["center"]["top1_error"],
            train_seconds=round(speed["train_seconds"], 1),
            images_per_second=round(speed["images_per_second"]),
            step_ms=round(speed["step_ms"], 2),
            peak_mib=round(speed["peak_memory_mib"]),
            compile=result["hardware"]["compile"],
        )
    sys.exit(study.returncode)


if __name__ == "__main__":
    main()
