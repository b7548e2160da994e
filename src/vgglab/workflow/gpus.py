"""The GPUs that a command may compute on, and its refusal where there are too few."""

from __future__ import annotations

import os

from vgglab import machine
from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.world import world_of


def usable_gpus() -> tuple[str, ...]:
    """The GPUs that torch can use here, by their names in ``CUDA_VISIBLE_DEVICES``; loads torch."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return machine.gpu_names(os.environ.get(machine.VISIBLE), count)


def card_bytes() -> int:
    """Memory of the smallest of the GPUs that torch can use here; there is one."""
    import torch

    cards = range(torch.cuda.device_count())
    return min(int(torch.cuda.get_device_properties(card).total_memory) for card in cards)


def refuse_without_gpus(config: Config) -> None:
    """See that this machine has the GPUs that a config is to be computed on, before that begins.

    Raises:
        ConfigError: it has not.
    """
    if config.trainer.accelerator != "gpu":
        return
    found, world = len(usable_gpus()), world_of(os.environ)
    if not found:
        raise ConfigError(f"trainer.accelerator = gpu: {_why_none()}; must be auto or cpu here")
    is_a_task = world is not None and world.started_by == "srun" and not world.is_alone
    # srun may show each of its tasks one GPU of its own.
    if config.devices > found and not (is_a_task and found == 1):
        raise ConfigError(
            f"devices = {config.devices}: must be at most {found}, the GPUs that can be used here"
        )


def _why_none() -> str:
    if (variable := os.environ.get(machine.VISIBLE)) is not None:
        return f"torch can use no GPU that {machine.VISIBLE}={variable} names"
    return "torch finds no NVIDIA GPU with a driver that it can use"
