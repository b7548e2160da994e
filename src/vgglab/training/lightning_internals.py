"""Private attributes of Lightning that nothing public replaces. Last checked with 2.6.6."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytorch_lightning as pl

STEP_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
"""What Lightning calls of each callback at every step."""


def leave_signals_alone(trainer: pl.Trainer) -> None:
    """Keep a trainer from handling SIGTERM.

    Lightning's handler sends a broadcast to the other processes in the middle of whatever this one
    was computing, and they may not be waiting for one. ``StopRequest`` notes the signal instead,
    and all processes agree at the end of a step. Lightning has no switch for it, and installs its
    handler after the last hook before data is loaded, so that none can put ours back in time.

    Raises:
        RuntimeError: this release of Lightning has no such method.
    """
    connector: Any = getattr(trainer, "_signal_connector", None)
    if not callable(getattr(connector, "register_signal_handlers", None)):
        raise RuntimeError(
            f"pytorch-lightning {version('pytorch-lightning')} has no "
            "Trainer._signal_connector.register_signal_handlers: its SIGTERM handler stays"
        )
    connector.register_signal_handlers = lambda: None


def broadcast_no_signals(trainer: pl.Trainer) -> None:
    """Keep a trainer of several processes from a broadcast before every micro-batch.

    Since 2.6 Lightning sends one that says whether the first process was asked to stop, and waits
    for it, so that a GPU never has its next step ready (its issue 21487). Ours agree by themselves
    at the end of a step: ``CheckpointWithinEpoch``. Earlier releases send none.
    """
    loop: Any = trainer.fit_loop.epoch_loop
    loop._broadcast_sigterm_tensor = lambda: None


def skip_empty_hooks(trainer: pl.Trainer) -> None:
    """Keep a trainer from calling, at every step, the hooks that a callback has not overridden.

    Lightning makes a name for each of them before it calls it, some 6 microseconds at each of six
    places in a step for each callback: with ours one percent of a small net's step. It passes over
    what cannot be called.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        for hook in STEP_HOOKS:
            if getattr(type(callback), hook) is getattr(pl.Callback, hook):
                setattr(callback, hook, None)
