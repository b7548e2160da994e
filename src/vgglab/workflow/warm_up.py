"""What a point of a sweep imports, imported once for all of them by their fork server."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from pathlib import Path

from hydra.core.plugins import Plugins

import vgglab
from vgglab.config import Config
from vgglab.training.imports import import_lightning
from vgglab.workflow.provenance import COMPUTING, commit, source, versions

BEGINS = ("vgglab.commands.main", "vgglab.commands.train", "vgglab.workflow.attempt")
"""Modules that a point's way begins with; by name, for commands stand above this room."""
WANDB = "vgglab.workflow.wandb_cards"
LATER = ("pandas", "wandb.sdk.launch", "requests")
"""What pyarrow imports for a table, and W&B at the start of a run, each where it is there. Not
torch's builder of extensions: its import asks CUDA for its devices."""


def load_of(config: Config) -> str:
    """What a fork server for the points of a study is to load; empty for none."""
    if not config.launcher.warm_start or config.launcher.name == "slurm":  # its jobs start cold
        return ""
    load = import_all if config.tracking.mode == "off" else import_all_and_wandb
    return f"{__name__}:{load.__name__}"


def import_all_and_wandb() -> None:
    """``import_all``, and W&B."""
    import_all(WANDB)
    # Imported only here: with tracking=off nothing loads W&B.
    from vgglab.tracking.wandb_internals import remember_packages

    remember_packages()


def import_all(*more: str) -> None:
    """Import what a point needs, and note which source that is; compute nothing.

    Args:
        more: modules to import besides.

    Raises:
        RuntimeError: a file was changed meanwhile.
    """
    for remembered in (commit, versions):  # by every point
        remembered()
    before = source()
    import_lightning()
    for name in (*BEGINS, *_computing(), *more):
        importlib.import_module(name)
    for name in LATER if more else LATER[:1]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    Plugins.instance()  # Hydra's, which it looks for once in a process
    source.cache_clear()
    if source() != before:
        raise RuntimeError("the source was changed while it was imported")


def _computing() -> list[str]:
    """Every module of the rooms that compute: no point takes a later version from the disk."""
    here = Path(vgglab.__file__).parent
    return [
        module.name
        for room in COMPUTING
        for module in pkgutil.walk_packages([str(here / room)], f"{vgglab.__name__}.{room}.")
    ]
