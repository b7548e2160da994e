"""Lightning's trainer as a run's config has it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import PassThroughProfiler

from vgglab.config import Config, TrainerConfig
from vgglab.training.checkpoints import AtomicCheckpointIO
from vgglab.training.distributed import Environment, SizeGuard
from vgglab.training.lightning_internals import (
    broadcast_no_signals,
    leave_signals_alone,
    skip_empty_hooks,
)
from vgglab.training.strategy import strategy_of
from vgglab.world import World

PRECISIONS: dict[str, Literal["32-true", "64-true", "bf16-mixed"]] = {
    "fp32": "32-true",
    "tf32": "32-true",  # see process.py
    "bf16": "bf16-mixed",
}
"""``trainer.precision`` -> Lightning's."""


class NoProfiler(PassThroughProfiler):
    """Enters one empty context where Lightning's own makes a generator.

    Lightning does so around each callback in each hook, 80 times a step.
    """

    _nothing = contextlib.nullcontext()

    def profile(self, action_name: str) -> Any:
        """A context that does nothing."""
        return self._nothing


def trainer_of(
    config: Config, world: World, callbacks: Sequence[pl.Callback], last: Sequence[pl.Callback]
) -> pl.Trainer:
    """A trainer that writes whole checkpoints, no logs of its own, and handles no signals.

    Args:
        config: the run's config.
        world: the processes that train it.
        callbacks: called in this order.
        last: called after those.
    """
    trainer = pl.Trainer(
        accelerator=config.trainer.accelerator,
        devices=devices_of(config.trainer, world),
        num_nodes=world.nodes,
        strategy=strategy_of(config.trainer, world),
        precision=PRECISIONS[config.trainer.precision],
        max_epochs=config.recipe.epochs,
        accumulate_grad_batches=config.trainer.accumulate,
        callbacks=[SizeGuard(config.processes), *callbacks, *last],
        plugins=[AtomicCheckpointIO(), Environment(world, config.trainer.accelerator)],
        logger=False,
        profiler=NoProfiler(),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        benchmark=searches_convolutions(config.trainer),
    )
    leave_signals_alone(trainer)
    broadcast_no_signals(trainer)
    skip_empty_hooks(trainer)
    return trainer


def devices_of(trainer: TrainerConfig, world: World) -> int:
    """The run's devices on this machine that this process sees: one where SLURM has bound it."""
    visible = torch.cuda.device_count() if trainer.accelerator == "gpu" else world.local_size
    return min(world.local_size, visible)


def searches_convolutions(trainer: TrainerConfig) -> bool:
    """Whether cuDNN tries its convolutions out; the one that wins may round otherwise."""
    return trainer.accelerator == "gpu" and trainer.cudnn_benchmark and not trainer.deterministic
