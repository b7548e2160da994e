"""A flat folder with every W&B run of a study, as ``wandb leet`` wants it. Does not load wandb."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def wandb_folders(run: Path) -> list[Path]:
    """What W&B keeps of a run: a folder an attempt, the latest last."""
    found = [*run.glob("wandb/offline-run-*"), *run.glob("wandb/run-*")]
    return sorted(found, key=lambda path: path.name.partition("run-")[2])


def link_runs(folder: Path, runs: Iterable[Path]) -> Path | None:
    """Make ``folder/wandb`` hold a link to the latest attempt of each run, and no other link.

    What is no link stays: the study's own run lies in the same folder.

    Returns:
        That folder; None where W&B has kept nothing.
    """
    latest = [found[-1] for run in runs if (found := wandb_folders(run))]
    flat = folder / "wandb"
    if not latest:
        return None
    flat.mkdir(parents=True, exist_ok=True)
    for old in flat.iterdir():
        if old.is_symlink() and old.name.startswith(("run-", "offline-run-")):
            old.unlink()
    for target in latest:
        (flat / target.name).symlink_to(os.path.relpath(target.resolve(), flat.resolve()))
    return flat
