"""What our harness adds to a step: a raw step after each step of a run, in the same process.

    python benchmarks/step_by_step.py --epochs 6        about 3 minutes

What slows the machine for a second slows both, so that their differences scatter much less than the
times of whole fits, which ``overhead.py`` compares. Net, data and the raw step are those there. On
a CPU: the host does not wait for a GPU after each step.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from overhead import config_of, harness, raw_steps
from side_by_side import markdown

PARTS = 10
"""Of a run; their scatter gives the standard error."""


class Trained(Exception):
    """A run without our callbacks has trained; it has no checkpoint to test."""


def steps_of(
    work: Path, mode: str, epochs: int, *, alone: bool = False
) -> tuple[list[float], list[float]]:
    """Milliseconds of each step of a run of ours, and of the raw step after it.

    Steps of the first epoch, and the first of each, are left out.

    Args:
        work: a folder for data and runs.
        mode: of tracking.
        epochs: of the run.
        alone: without our callbacks: what Lightning's loop adds, with our module.
    """
    config, fit = config_of(work, mode, epochs), harness(work, mode, epochs)
    import pytorch_lightning as pl

    ours: list[float] = []
    bare: list[float] = []

    class RawStep(pl.Callback):
        """Does a raw step after each step of the run, which waits for it."""

        def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            if trainer.current_epoch == 0:
                self._epoch = raw_steps(config)
            self._steps, self._ended = self._epoch(), 0.0

        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            begun = time.perf_counter()
            next(self._steps)
            ended = time.perf_counter()
            if trainer.current_epoch and self._ended:
                ours.append(1e3 * (begun - self._ended))
                bare.append(1e3 * (ended - begun))
            self._ended = ended

        def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            if alone:
                raise Trained

    made = pl.Trainer.__init__

    def with_raw_steps(trainer: pl.Trainer, *args: Any, **settings: Any) -> None:
        if alone:
            settings |= {"callbacks": [], "enable_checkpointing": False}
        settings["callbacks"] = [*settings["callbacks"], RawStep()]
        made(trainer, *args, **settings)

    with mock.patch.object(pl.Trainer, "__init__", with_raw_steps), contextlib.suppress(Trained):
        fit()
    return ours, bare


def row_of(name: str, ours: Sequence[float], bare: Sequence[float]) -> Sequence[object]:
    """Name, milliseconds a step, what is added to a raw step, the same in percent, and the standard
    error of that.

    Args:
        name: of the row.
        ours: milliseconds of each step of the run.
        bare: of the raw step after it.
    """
    added = [o - b for o, b in zip(ours, bare, strict=True)]
    size = len(added) // PARTS
    shares = [
        100 * statistics.median(added[i : i + size]) / statistics.median(bare[i : i + size])
        for i in range(0, PARTS * size, size)
    ]
    middle, of_raw = statistics.median(added), statistics.median(bare)
    error = statistics.stdev(shares) / PARTS**0.5
    return [name, of_raw + middle, middle, 100 * middle / of_raw, error]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=6, help="of each run, at least 2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        rows = [
            row_of(name, *steps_of(work, mode, options.epochs, alone=alone))
            for name, mode, alone in (
                ("Lightning and our module, without callbacks", "off", True),
                ("ours, tracking=off", "off", False),
                ("ours, tracking=offline", "offline", False),
            )
        ]
    heading = "A at width 1/4, 32 px, batch 64, a raw step after each"
    print(markdown([heading, "ms a step", "added, ms", "added, %", "standard error"], rows))


if __name__ == "__main__":
    main()
