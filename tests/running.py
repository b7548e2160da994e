"""The real command line, as a user runs it, and a config that takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SMALL = (
    "model.width=0.0625",
    "norm=batch",
    "recipe.epochs=2",
    "recipe.batch_size=128",
    "recipe.learning_rate=0.02",
    "data.classes=6",
    "data.test_fraction=0.1",
    "trainer.precision=fp32",
    "trainer.threads=1",
    "tracking=off",
)
"""Overrides with which a run takes seconds: 3,000 digits, nets of 1/16 width."""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def command_line(*overrides: str) -> list[str]:
    """``python run.py ...`` as a list."""
    return [sys.executable, str(ROOT / "run.py"), *overrides]


def command_environment() -> dict[str, str]:
    """This process's environment, with one thread and a wide screen."""
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def grid(**values: str) -> tuple[str, ...]:
    """Overrides that make a sweep smaller; ``task=report`` and the like take them too."""
    return tuple(f"hydra.sweeper.params.{name}='{text}'" for name, text in values.items())
