"""Checkpoints that a kill cannot leave half-written, and that say whether they are damaged."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from vgglab.data.errors import DataError
from vgglab.runs import RunDirectory
from vgglab.training.fault_points import Moment, reach
from vgglab.training.result import SELECTION_METRIC
from vgglab.training.stamp import BadArchive, checked_stamp, write_stamp

log = logging.getLogger(__name__)

RECORDS = "records"
"""Key of a checkpoint: the mark of the records of ``metrics.jsonl`` that were before it."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary file, flushes it to the disk and renames it.

    The file that was ``last.ckpt`` until then is kept as ``previous.ckpt``, and that which was
    ``best.ckpt`` as ``previous_best.ckpt``: a run that goes on from before the last ``best.ckpt``
    was written has the one before it.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint so that a kill at any moment leaves a whole one.

        Args:
            checkpoint: tensors and plain values.
            path: the file to write.
            storage_options: Lightning's; unused.

        Raises:
            OSError: with ``ENOSPC``, the disk is full; the older checkpoints are untouched.
        """
        target = Path(path)
        run = RunDirectory(target.parent.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.new")
        try:
            with temporary.open("w+b") as file:
                torch.save(checkpoint, file)
                write_stamp(file, run.id)
                reach(Moment.WRITING, temporary)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            full = _is_full(target.parent)
            temporary.unlink(missing_ok=True)  # leaves room to write down why
            if full:  # torch says of it only that it could not write
                message = os.strerror(errno.ENOSPC)
                raise OSError(errno.ENOSPC, message, str(target)) from error
            raise
        kept_as = {
            run.last_checkpoint: run.previous_checkpoint,
            run.best_checkpoint: run.previous_best_checkpoint,
        }
        if target in kept_as and target.exists():
            target.replace(kept_as[target])
            reach(Moment.RENAMING, target)
        temporary.replace(target)


NOT_LOADED = "current_score"
"""Part of Lightning's state that it writes and does not read: it differs after a resume."""


class KeptInFolder(ModelCheckpoint):
    """Lightning's, with a state that names files and not the folder they are in.

    Lightning's own forgets its best once the folder's path is another one (its
    ``load_state_dict``): a run that was moved or copied would take the next epoch for its best.
    """

    @property
    def state_key(self) -> str:
        """Lightning's, so that checkpoints of before 27 November 2026 are read."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def state_dict(self) -> dict[str, Any]:
        """Lightning's, with the names of files alone, and without what it does not load."""
        state = _renamed(super().state_dict(), lambda path: Path(path).name)
        return {key: value for key, value in state.items() if key not in ("dirpath", NOT_LOADED)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the files to be in this run's folder, wherever they were."""
        assert self.dirpath is not None
        here = Path(self.dirpath)
        found = _renamed(state_dict, lambda path: str(here / Path(path).name))
        super().load_state_dict(found | {"dirpath": self.dirpath})


def _renamed(state: Mapping[str, Any], new: Callable[[str], str]) -> dict[str, Any]:
    """The state of a ``ModelCheckpoint`` with other names for its files; none stays none."""
    paths = {
        key: new(path) if path else ""
        for key, path in state.items()
        if key in ("best_model_path", "kth_best_model_path", "last_model_path")
    }
    best = {new(path): score for path, score in state.get("best_k_models", {}).items()}
    return {**state, **paths, "best_k_models": best}


def _is_full(folder: Path) -> bool:
    """Whether the file system has almost no room left."""
    return shutil.disk_usage(folder).free < 64 * 1024


def checkpoint_callbacks(directory: RunDirectory) -> list[ModelCheckpoint]:
    """``best.ckpt``: weights of the lowest validation error; ``last.ckpt``: what resuming needs.

    In this order: ``last.ckpt`` then also knows what the best error so far was.
    """
    best = KeptInFolder(
        dirpath=directory.checkpoints,
        filename=directory.best_checkpoint.stem,
        monitor=SELECTION_METRIC,
        mode="min",
        save_top_k=1,
        save_weights_only=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    last = KeptInFolder(
        dirpath=directory.checkpoints,
        filename=directory.last_checkpoint.stem,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [best, last]


def checkpoint_step(path: Path) -> int:
    """Optimiser steps done when a checkpoint was written.

    Raises:
        DataError: it is no checkpoint of a run.
    """
    return int(loaded(path, mmap=True)["global_step"])


def loaded(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Load a checkpoint that holds tensors and plain values alone, and no code.

    Raises:
        DataError: it holds anything else, or cannot be read.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:  # torch's message has several lines
        raise DataError(
            f"{path}: holds more than tensors and plain values, and is not loaded: no checkpoint "
            "of ours; remove it"
        ) from error
    # What a garbled archive makes of torch: RuntimeError, UnicodeDecodeError, KeyError, ...
    except Exception as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}); remove it") from error
    if not isinstance(stored, dict):
        raise DataError(f"{path}: no checkpoint of ours; remove it")
    return stored


def damage(path: Path) -> str:
    """Describes what is wrong with a checkpoint's bytes; empty where nothing is."""
    try:
        _checked_owner(path)
    except BadArchive as error:
        return str(error)
    return ""


def _checked_owner(path: Path) -> str:
    """The run that a checkpoint is of, whose bytes are in order; empty where it does not say.

    Raises:
        BadArchive: the bytes are not those that were written.
    """
    try:
        if stamp := checked_stamp(path):
            return stamp.run
        with zipfile.ZipFile(path) as archive:
            if member := archive.testzip():
                raise BadArchive(f"wrong checksum of {member}")
            for entry in archive.infolist():  # torch compresses nothing
                if entry.compress_type or entry.file_size != entry.compress_size:
                    raise BadArchive(f"garbled directory entry of {entry.filename}")
    except BadArchive:
        raise
    # What a garbled directory makes of zipfile: NotImplementedError, EOFError, OSError, ...
    except Exception as error:
        raise BadArchive(str(error) or type(error).__name__) from error
    return ""


def fault_of(path: Path) -> str:
    """Why the weights of a checkpoint are not those of its folder's run; empty where they are."""
    try:
        owner = _checked_owner(path)
    except BadArchive as error:
        return f"is damaged ({error})"
    run = path.parent.parent.name
    return f"is of another run, {owner}" if owner not in ("", run) else ""


def net_state(path: Path) -> dict[str, Tensor]:
    """State dict of the net alone, from a checkpoint of the run.

    Raises:
        DataError: the file is damaged, or of another run.
    """
    if found := fault_of(path):
        run = path.parent.parent
        raise DataError(f"{path} {found}; remove {run} to train the run anew")
    stored = loaded(path)["state_dict"]
    prefix = "net."
    return {key.removeprefix(prefix): v for key, v in stored.items() if key.startswith(prefix)}
