"""Where the host waits for the GPU in the steps of a real run, by source line, and a trace.

    python -m gpu.waits FOLDER --device cuda --trace trace.json.gz

A step that never waits lets the host prepare the next one while the GPU still computes.
``torch.cuda.set_sync_debug_mode`` names the lines that do wait; it does not see every way to wait,
so the trace has the last word.
"""

from __future__ import annotations

import argparse
import collections
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import torch
from on_device import say, trainer_of
from torch.profiler import profile, supported_activities

from gpu.kernels import device_operations, device_us
from vgglab.training.imports import import_lightning

import_lightning()

from vgglab.config import Config
from vgglab.config.parse import parse
from vgglab.runs import RunDirectory, Status
from vgglab.training.experiment import run_experiment
from vgglab.training.fault_points import Moment, observed_by
from vgglab.workflow.resolve import resolve

FIRST, LAST = 26, 42
"""Steps whose waits are counted; two of them are recorded (``log_every``), others are not."""
TRACED = 44, 49
STEPS = 51
ROWS = 20


def config_of(folder: str, device: str, *, small: bool) -> Config:
    """A at width 1/8 with batch norm on cluttered digits, not compiled: the waits are ours."""
    batch = 8 if small else 64
    return resolve(
        parse(
            {
                "model": {"name": "a", "width": 0.0625 if small else 0.125},
                "norm": {"name": "batch"},
                "data": {
                    "name": "cluttered_digits",
                    "train_images": STEPS * batch,
                    "validation_images": 200,
                    "test_images": 200,
                },
                "recipe": {"epochs": 1, "batch_size": batch, "learning_rate": 0.02},
                "trainer": trainer_of(device) | {"log_every": 10, "compile": "none"},
                "tracking": {"mode": "off"},
                "paths": {"runs": f"{folder}/runs", "data": f"{folder}/data"},
            }
        )
    )


class Watch:
    """Counts waits in some steps of a run, and traces others."""

    def __init__(self, device: str) -> None:
        self._on_gpu = device == "cuda"
        self.found: collections.Counter[str] = collections.Counter()
        self.profiler = profile(activities=list(supported_activities()))
        ours = Path(sys.modules["vgglab"].__file__ or "").parent
        self._names = {path.name for path in ours.rglob("*.py")} - {"__init__.py"}
        self._before: Any = None

    def __call__(self, moment: Moment, details: Any) -> None:
        """Switch on and off at the ends of steps."""
        if moment is not Moment.BATCH:
            return
        index = details[0]
        if index == FIRST and self._on_gpu:
            warnings.simplefilter("always")
            self._before, warnings.showwarning = warnings.showwarning, self._show
            torch.cuda.set_sync_debug_mode("warn")
        if index == LAST and self._on_gpu:
            torch.cuda.set_sync_debug_mode("default")
            warnings.showwarning = self._before
            warnings.simplefilter("ignore")
        if index == TRACED[0]:
            self.profiler.start()
        if index == TRACED[1]:
            self.profiler.stop()

    def _show(self, message: Any, *_: Any, **__: Any) -> None:
        if "synchroniz" not in str(message):
            return
        frames = [
            (Path(frame.filename).name, f"{Path(frame.filename).name}:{frame.lineno} {frame.name}")
            for frame in traceback.extract_stack()[:-1]
            if "warnings" not in frame.filename
        ]
        innermost = frames[-1][1]
        ours = [text for name, text in frames if name in self._names]
        where = [innermost, *([ours[-1]] if ours and ours[-1] != innermost else [])]
        self.found[" < ".join(where)] += 1


def main() -> None:
    """Print the rows and write the trace."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--trace", type=Path)
    options = parser.parse_args()
    config = config_of(options.folder, options.device, small=options.small)
    directory = RunDirectory(Path(config.paths.runs) / "run")
    directory.path.mkdir(parents=True)
    watch = Watch(options.device)
    with observed_by(watch):
        result: Any = run_experiment(config, directory, Status(), [])
    steps = LAST - FIRST
    say(waits_a_step=sum(watch.found.values()) / steps, lines=len(watch.found), steps=steps)
    for where, count in watch.found.most_common(ROWS):
        say(where=where, a_step=count / steps)
    say(**{name: round(value, 3) for name, value in result["speed"].items()})
    traced = TRACED[1] - TRACED[0]
    for average in device_operations(watch.profiler)[:ROWS]:
        per_step = average.count / traced
        say(
            operation=average.key[:90],
            us_a_step=round(device_us(average) / traced, 1),
            calls=per_step,
        )
    if options.trace:
        watch.profiler.export_chrome_trace(str(options.trace))


if __name__ == "__main__":
    main()
