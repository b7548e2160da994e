"""One process that trains a run, notes what it saw, and may interrupt itself."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import sys
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vgglab.config.parse import parse
from vgglab.data.loaders import Batch
from vgglab.launch.point import die_with
from vgglab.runs import RunDirectory, Status
from vgglab.runs.atomic import write_json
from vgglab.signals import ASKED_TO
from vgglab.training.experiment import run_experiment
from vgglab.training.fault_points import Moment, observed_by
from vgglab.training.stop import Interrupted
from vgglab.verify.boundaries import Interruption

BATCHES = "batches.jsonl"
"""Epoch, number and checksum of each batch that was trained on, by whatever attempt."""
END = "end.json"
"""Of an attempt that came to the run's end: moments of each kind, state of the generators."""


class Witness:
    """Counts moments and notes batches; at one moment it sends this process a signal."""

    def __init__(self, folder: Path, interruption: Interruption | None) -> None:
        self._batches = folder / BATCHES
        self._interruption = interruption
        self.counts: Counter[str] = Counter()

    def __call__(self, moment: Moment, what: Any = None) -> None:
        if moment is Moment.BATCH:
            index, batch = what
            note = {"epoch": batch.epoch, "batch": index, "content": checksum(batch)}
            with self._batches.open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
        self.counts[moment] += 1
        wanted = self._interruption
        if wanted and moment is wanted.moment and self.counts[moment] == wanted.at:
            os.kill(os.getpid(), wanted.sent)


def checksum(batch: Batch) -> int:
    """Of which samples it has, in their order, and of their images as the net sees them."""
    images = batch.images_nchw.detach().cpu().contiguous().view(torch.uint8).numpy()
    return zlib.crc32(images.data, zlib.crc32(batch.samples_n.tobytes()))


def generators() -> dict[str, str]:
    """A digest of each random generator's state."""
    states = {
        "python": repr(random.getstate()).encode(),
        "numpy": repr(np.random.get_state()).encode(),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }
    return {name: hashlib.sha256(state).hexdigest()[:16] for name, state in states.items()}


def attempt(
    tree: Mapping[str, Any],
    path: Path,
    first_weights: Path | None,
    interruption: Interruption | None,
) -> None:
    """Train what is left of a run in a folder of its own, in a process that is for nothing else.

    Ends with ``ASKED_TO`` after SIGTERM.
    """
    die_with(os.getppid())  # the server that it was forked from, which ends with whoever asked
    asked_by = multiprocessing.parent_process()
    if asked_by is None or not asked_by.is_alive():
        return
    directory = RunDirectory(path)
    with directory.log.open("ab") as log:
        for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(log.fileno(), descriptor)
    witness = Witness(path, interruption)
    status = Status.read(directory.status)
    try:
        with observed_by(witness):
            result = run_experiment(parse(tree), directory, status, [], None, first_weights)
    except Interrupted:
        sys.exit(ASKED_TO)
    write_json(directory.result, result)
    write_json(path / END, {"moments": dict(witness.counts), "generators": generators()})
