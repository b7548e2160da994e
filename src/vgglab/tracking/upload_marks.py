"""Which runs W&B has all of. Does not load wandb."""

from __future__ import annotations

import contextlib
from pathlib import Path

MARK = ".wandb-incomplete"
"""In a run's folder, and not in W&B's: that may be what is full."""


def mark_incomplete(run: Path) -> None:
    """Say that W&B may not have every row of a run."""
    with contextlib.suppress(OSError):
        (run / MARK).touch()


def mark_complete(run: Path) -> None:
    """Say that it has, on its server or in its file."""
    (run / MARK).unlink(missing_ok=True)


def is_incomplete(run: Path) -> bool:
    """Whether W&B lacks some of a run that it was told of."""
    return (run / MARK).exists()
