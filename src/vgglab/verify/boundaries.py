"""The places where ``task=verify`` interrupts a run, and the signals that it uses."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from vgglab.training.fault_points import Moment


@dataclass(frozen=True)
class Boundary:
    """A kind of place where a run may lose work that it has done."""

    name: str
    moment: Moment
    place: float
    """Position among the moments of this kind, as a fraction: 1 is the last one."""
    sent: signal.Signals = signal.SIGKILL

    def interruption(self, counts: Mapping[str, int]) -> Interruption | None:
        """Return the interruption of a run; None where it has no moment of this kind.

        ``counts``: kind of moment -> number of such moments in the undisturbed run.
        """
        of = counts.get(self.moment, 0)
        return Interruption(self, max(1, math.floor(of * self.place)), of) if of else None


@dataclass(frozen=True)
class Interruption:
    """A signal that the process of a run sends to itself at one moment."""

    boundary: Boundary
    at: int
    """Index of the moment among those of its kind, from 1."""
    of: int
    """Number of moments of this kind in an undisturbed run."""


BOUNDARIES = (
    Boundary("within an epoch", Moment.BATCH, 0.3, signal.SIGTERM),
    Boundary("within an epoch", Moment.BATCH, 0.9),
    Boundary("in validation", Moment.VALIDATION, 0.75),
    Boundary("at an epoch's end", Moment.EPOCH_END, 1.0),
    Boundary("while a checkpoint is written", Moment.WRITING, 1.0),
    Boundary("while a checkpoint is renamed", Moment.RENAMING, 1.0),
    Boundary("in the test", Moment.TEST, 0.5),
)
"""Every kind, late enough in a run that earlier epochs exist."""
