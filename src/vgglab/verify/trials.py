"""A run trained undisturbed, then once for each kind of interruption."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgglab.runs import RunDirectory
from vgglab.signals import ASKED_TO
from vgglab.training.checkpoints import checkpoint_step, checkpoint_to_resume
from vgglab.verify.boundaries import BOUNDARIES, Boundary, Interruption
from vgglab.verify.compare import differences
from vgglab.verify.trial import END, attempt


class TrialFailed(Exception):
    """A process ended otherwise than it should have; its log says why."""


@dataclass(frozen=True)
class Outcome:
    """What came of one interruption."""

    boundary: Boundary
    interruption: Interruption
    resumed_from: int
    """Optimiser step; 0: there was no checkpoint yet."""
    different: Mapping[str, bool]
    """Part of the run -> whether it differs from the undisturbed one."""

    @property
    def equal(self) -> bool:
        return not any(self.different.values())


class Trials:
    """Trains one config in folders of its own, each time in a fresh process.

    The processes are forked from one that has loaded the libraries and computed nothing, so that
    a start costs no import.
    """

    def __init__(self, tree: Mapping[str, Any], first_weights: Path | None, folder: Path) -> None:
        self._tree, self._first_weights, self._folder = tree, first_weights, folder
        self.epochs = int(tree["recipe"]["epochs"])
        """Epochs that each trial trains."""
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["vgglab.verify.trial"])

    def undisturbed(self, name: str = "undisturbed") -> RunDirectory:
        """Train it in one piece.

        Raises:
            TrialFailed: it did not come to its end.
        """
        run = self._new(name)
        self._attempt(run, None, 0)
        return run

    def interrupted(self, reference: RunDirectory) -> Iterator[Outcome | Boundary]:
        """An outcome for each kind of interruption; the kind alone where there is no such moment.

        Raises:
            TrialFailed: a process was not interrupted, or did not come to its end afterwards.
        """
        end = json.loads((reference.path / END).read_text(encoding="utf-8"))
        for boundary in BOUNDARIES:
            interruption = boundary.interruption(end["moments"])
            yield self._outcome(reference, boundary, interruption) if interruption else boundary

    def _outcome(
        self, reference: RunDirectory, boundary: Boundary, interruption: Interruption
    ) -> Outcome:
        run = self._new("interrupted")
        # A killed process has the negative number of the signal; one asked to stop leaves itself.
        asked = interruption.sent.name == "SIGTERM"
        self._attempt(run, interruption, ASKED_TO if asked else -interruption.sent)
        checkpoint = checkpoint_to_resume(run)
        step = checkpoint_step(checkpoint) if checkpoint else 0
        self._attempt(run, None, 0)
        outcome = Outcome(boundary, interruption, step, differences(reference, run))
        shutil.rmtree(run.path)
        return outcome

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
            process.kill()  # nothing, where it has ended
            process.join()
        if process.exitcode != expected:
            said = run.log.read_text(encoding="utf-8", errors="replace") if run.log.exists() else ""
            last = said.strip().rpartition("\n")[2]
            raise TrialFailed(f"a trial ended with {process.exitcode}, not {expected}: {last}")
