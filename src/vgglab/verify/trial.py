"""A process that trains a run, records its batches, and may interrupt itself."""

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
from vgglab.runs import RunDirectory, Status, write_result
from vgglab.runs.atomic import write_json
from vgglab.signals import STOPPED_EXIT_CODE
from vgglab.training.experiment import run_experiment
from vgglab.training.fault_points import Moment, observed_by
from vgglab.training.stop import Interrupted
from vgglab.verify.boundaries import Interruption

BATCHES = "batches.jsonl"
"""File with epoch, index and checksum of each batch that any attempt has trained on."""
END = "end.json"
"""File of the attempt that finished the run: counts of moments, states of the generators."""


class Witness:
    """Counts moments and records batches; at one moment it sends this process a signal."""

    def __init__(self, folder: Path, interruption: Interruption | None) -> None:
        self._batches = folder / BATCHES
        self._interruption = interruption
        self.counts: Counter[str] = Counter()

    def __call__(self, moment: Moment, details: Any = None) -> None:
        if moment is Moment.BATCH:
            index, batch = details
            record = {"epoch": batch.epoch, "batch": index, "content": checksum(batch)}
            with self._batches.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        self.counts[moment] += 1
        planned = self._interruption
        if planned and moment is planned.boundary.moment and self.counts[moment] == planned.at:
            os.kill(os.getpid(), planned.boundary.sent)


def checksum(batch: Batch) -> int:
    """Return a checksum of a batch's samples, in order, and of its images as the net sees them."""
    images = batch.images_nchw.detach().cpu().contiguous().view(torch.uint8).numpy()
    return zlib.crc32(images.data, zlib.crc32(batch.samples_n.tobytes()))


def generators() -> dict[str, str]:
    """Return a digest of the state of each random generator."""
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
    """Train the rest of a run, in a process of its own.

    Exits with ``STOPPED_EXIT_CODE`` after SIGTERM.

    Args:
        tree: The config as plain values.
        path: Folder of the run.
        first_weights: Checkpoint that the run starts from; None for an initialisation.
        interruption: The interruption of this attempt, if any.
    """
    die_with(os.getppid())  # the fork server, which ends with the process that started it
    starter = multiprocessing.parent_process()
    if starter is None or not starter.is_alive():
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
        sys.exit(STOPPED_EXIT_CODE)
    write_result(directory, result)
    write_json(path / END, {"moments": dict(witness.counts), "generators": generators()})
