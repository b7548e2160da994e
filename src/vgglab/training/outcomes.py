"""Outcomes of a training other than success, raised where they are found."""

from __future__ import annotations

from typing import Any

from vgglab.runs import State


class Outcome(Exception):
    """An end of a training that leaves nothing to train and no errors; the message says why."""

    state: State

    def __init__(self, reason: str, **details: Any) -> None:
        super().__init__(reason)
        self.details = details
        """Plain values for ``result.json``."""


class Diverged(Outcome):
    """The loss or the logits stopped being finite."""

    state = State.DIVERGED


class Untrainable(Outcome):
    """The net sits on the plateau of ln K and nothing moves it."""

    state = State.UNTRAINABLE
