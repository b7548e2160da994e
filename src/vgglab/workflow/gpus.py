"""The GPUs that a command may compute on, and its refusal where there are too few."""

from __future__ import annotations

import os

from vgglab import machine
from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.world import world_of


def usable_gpus() -> tuple[str, ...]:
    """The GPUs that torch can use here; it is loaded only where Linux shows some."""
    found = machine.gpus()
    if not found:
        return ()
    import torch

    return found[: torch.cuda.device_count()] if torch.cuda.is_available() else ()


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
    # srun may show each of its tasks one GPU of its own.
    wanted = 1 if world is not None and world.started_by == "srun" else config.devices
    if wanted > found:
        raise ConfigError(
            f"devices = {config.devices}: must be at most {found}, the GPUs that can be used here"
        )


def _why_none() -> str:
    if machine.gpus():
        return "torch finds no NVIDIA driver that it can use"
    if (variable := os.environ.get(machine.VISIBLE)) is not None:
        return f"{machine.VISIBLE}={variable} names no GPU of this machine"
    return "there is no NVIDIA GPU"
