"""What a finished run has on disk that nothing reads again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vgglab.config import Config
from vgglab.runs.directory import RunDirectory


def spare_checkpoints(run: RunDirectory, config: Config) -> list[Path]:
    """The checkpoints of a finished run beside the one that is tested and that others start from.

    None where that one is gone: nothing else could take its place.
    """
    kept = {run.selected_checkpoint(config.recipe.select)}
    if not all(path.is_file() for path in kept):
        return []
    if config.tracking.log_model:
        kept.add(run.best_checkpoint)  # W&B uploads it from where it lies, perhaps later
    return sorted(p for p in run.checkpoints.iterdir() if p not in kept and p.is_file())


def bytes_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder and below; of links, and of what cannot be
    looked at, none."""
    if path.is_symlink():
        return 0
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    size, folders = 0, [str(path)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # a run at work replaces its files
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        size += entry.stat(follow_symlinks=False).st_size
    return size
