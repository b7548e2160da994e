"""Where a run is interrupted, and how."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from vgglab.training.fault_points import Moment


@dataclass(frozen=True)
class Interruption:
    """A signal that a process sends itself."""

    moment: Moment
    at: int
    """At the so-many-th such moment of an undisturbed run, from 1."""
    of: int
    """Such moments in all."""
    sent: signal.Signals


@dataclass(frozen=True)
class Boundary:
    """A kind of place between what is kept and what is not."""

    name: str
    moment: Moment
    place: float
    """As a part of all such moments: 1 is the last one."""
    sent: signal.Signals = signal.SIGKILL

    def interruption(self, counts: Mapping[str, int]) -> Interruption | None:
        """Of a run with so many moments of each kind; none where it has none of this kind."""
        of = counts.get(self.moment, 0)
        if not of:
            return None
        return Interruption(self.moment, max(1, math.floor(of * self.place)), of, self.sent)


BOUNDARIES = (
    Boundary("within an epoch", Moment.BATCH, 0.3, signal.SIGTERM),
    Boundary("within an epoch", Moment.BATCH, 0.9),
    Boundary("in validation", Moment.VALIDATION, 0.75),
    Boundary("at an epoch's end", Moment.EPOCH_END, 1.0),
    Boundary("while a checkpoint is written", Moment.WRITING, 1.0),
    Boundary("while a checkpoint is renamed", Moment.RENAMING, 1.0),
    Boundary("in the test", Moment.TEST, 0.5),
)
"""Every kind, late enough in a run for earlier epochs to be there."""
