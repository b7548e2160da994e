"""Checkpoints that a kill cannot leave half-written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from vgglab.runs import RunDirectory
from vgglab.training.module import SELECTION_METRIC


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary file, flushes it to the disk and renames it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.new")
        with temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)


def checkpoint_callbacks(directory: RunDirectory) -> list[ModelCheckpoint]:
    """``best.ckpt``: weights of the lowest validation error; ``last.ckpt``: what resuming needs.

    In this order: ``last.ckpt`` then also knows what the best error so far was.
    """
    best = ModelCheckpoint(
        dirpath=directory.checkpoints,
        filename=directory.best_checkpoint.stem,
        monitor=SELECTION_METRIC,
        mode="min",
        save_top_k=1,
        save_weights_only=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(
        dirpath=directory.checkpoints,
        filename=directory.last_checkpoint.stem,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [best, last]


def checkpoint_step(path: Path) -> int:
    """Optimiser steps done when a checkpoint was written; 0 where there is none."""
    if not path.exists():
        return 0
    return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def net_state(path: Path) -> dict[str, Tensor]:
    """State dict of the net alone, from a checkpoint of the run."""
    stored = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "net."
    return {key.removeprefix(prefix): v for key, v in stored.items() if key.startswith(prefix)}
