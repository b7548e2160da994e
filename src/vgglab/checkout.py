"""The checkout that a command belongs to: the folder with ``run.py``, ``conf`` and the sweeps."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "VGGLAB_ROOT"
"""Environment variable that holds the folder: Hydra's search path reads it."""
USER_FOLDER = "VGGLAB_CONFIG_DIR"
"""Environment variable with the folder of ``--config-dir``, absolute, for processes below."""


def enter(folder: Path) -> None:
    """Make a folder the checkout of this process and of those that it starts."""
    os.environ[VARIABLE] = str(folder)


def root() -> Path:
    """The folder that ``run.py`` entered; in a process without one, that of this source."""
    return Path(os.environ.get(VARIABLE, Path(__file__).resolve().parents[2]))
