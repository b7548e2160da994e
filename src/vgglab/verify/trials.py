"""Trains a run undisturbed, then once for each kind of interruption."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgglab.runs import RunDirectory
from vgglab.signals import STOPPED_EXIT_CODE
from vgglab.training.checkpoints import checkpoint_step
from vgglab.training.resuming import checkpoint_to_resume
from vgglab.verify.boundaries import BOUNDARIES, Boundary, Interruption
from vgglab.verify.compare import differences
from vgglab.verify.trial import END, attempt


class TrialFailed(Exception):
    """A process ended with an unexpected exit code; its log says why."""


@dataclass(frozen=True)
class TrialResult:
    """The result of one interruption."""

    interruption: Interruption
    resumed_from: int
    """Step of the checkpoint that training went on from; 0 without one."""
    different: Mapping[str, bool]
    """Part of the run -> whether it differs from the undisturbed one."""


class Trials:
    """Trains one config several times, each time in a fresh process and folder.

    The processes are forked from one that has loaded the libraries and computed nothing, so that
    no start imports them again.

    Args:
        tree: the config, as plain values.
        first_weights: file of the weights that each trial begins with; None: as the config draws
            them.
        folder: of the trials' runs.
    """

    def __init__(self, tree: Mapping[str, Any], first_weights: Path | None, folder: Path) -> None:
        self._tree, self._first_weights, self._folder = tree, first_weights, folder
        self.epochs = int(tree["recipe"]["epochs"])
        """Epochs that each trial trains."""
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["vgglab.verify.trial"])

    def undisturbed(self, name: str = "undisturbed") -> RunDirectory:
        """Train the run without interruption.

        Raises:
            TrialFailed: it did not finish.
        """
        run = self._new(name)
        self._attempt(run, None, 0)
        return run

    def interrupted(self, reference: RunDirectory) -> Iterator[TrialResult | Boundary]:
        """Yield a result for each kind of interruption; its kind if the run has no such moment.

        Raises:
            TrialFailed: a process was not interrupted, or did not finish afterwards.
        """
        end = json.loads((reference.path / END).read_text(encoding="utf-8"))
        for boundary in BOUNDARIES:
            interruption = boundary.interruption(end["moments"])
            yield self._interrupt(reference, interruption) if interruption else boundary

    def _interrupt(self, reference: RunDirectory, interruption: Interruption) -> TrialResult:
        run, sent = self._new("interrupted"), interruption.boundary.sent
        # The code of a killed process is the negative signal; after SIGTERM it exits by itself.
        self._attempt(run, interruption, STOPPED_EXIT_CODE if sent is signal.SIGTERM else -sent)
        checkpoint = checkpoint_to_resume(run, self._tree["recipe"]["select"])
        step = checkpoint_step(checkpoint) if checkpoint else 0
        self._attempt(run, None, 0)
        result = TrialResult(interruption, step, differences(reference, run))
        shutil.rmtree(run.path)
        return result

    def _new(self, name: str) -> RunDirectory:
        run = RunDirectory(self._folder / name)
        run.path.mkdir()
        return run

    def _attempt(self, run: RunDirectory, interruption: Interruption | None, expected: int) -> None:
        arguments = (dict(self._tree), run.path, self._first_weights, interruption)
        process = self._context.Process(target=attempt, args=arguments)
        process.start()
        try:
            process.join()
        finally:
            process.kill()  # does nothing where it has ended
            process.join()
        if process.exitcode != expected:
            log = run.log.read_text(encoding="utf-8", errors="replace") if run.log.exists() else ""
            last = log.strip().rpartition("\n")[2]
            raise TrialFailed(f"a trial ended with {process.exitcode}, not {expected}: {last}")
