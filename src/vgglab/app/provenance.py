"""Which code, with which libraries, a run was computed by."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "wandb",
    "numpy",
)


def versions() -> dict[str, str]:
    """Of Python and of every library that can change a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def commit(folder: Path) -> str:
    """The checkout's commit, with ``+changes`` if files differ from it; empty outside git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()
