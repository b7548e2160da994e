"""Replaces every ``auto`` of a config by what the machine has, here or where SLURM runs it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.launch import slurm
from vgglab.machine import computes_in_bf16, cores, may_have_gpus, points_at_a_time, wanted_threads
from vgglab.workflow.gpus import usable_gpus
from vgglab.world import world_of

MOST_WORKERS = 16
"""Most decoding processes for each process of a run, unless the config sets their number."""


def resolve(config: Config) -> Config:
    """Replace every ``auto`` of the trainer by what the machine has.

    Raises:
        ConfigError: the config contradicts the number of processes that were started, or the device
            does not compute in its precision.
        NoAnswer: SLURM does not say whether its nodes have GPUs.
    """
    trainer = config.trainer
    accelerator = trainer.accelerator
    if accelerator == "auto":
        # The machine that submits jobs often has no GPU; SLURM knows the nodes that run them.
        elsewhere = config.launcher.name == "slurm" and slurm.has_gpus(config.launcher.partition)
        accelerator = "gpu" if elsewhere or (may_have_gpus() and usable_gpus()) else "cpu"
    precision = trainer.precision
    if precision == "auto":
        precision = "bf16" if accelerator == "gpu" or computes_in_bf16() else "fp32"
    if precision == "tf32" and accelerator == "cpu":
        raise ConfigError("trainer.precision = tf32: only on a GPU; must be fp32 or bf16")
    devices, nodes = _processes(config, accelerator)
    share = max(1, cores() // (_processes_sharing_cores(devices) * points_at_a_time()))
    threads = trainer.threads or (0 if is_torchruns(os.environ) else wanted_threads()) or share
    accumulate, micro_batch = trainer.accumulate, config.micro_batch
    if isinstance(micro_batch, int) and micro_batch:
        device_batch = -(-config.recipe.batch_size // (devices * nodes))
        accumulate, micro_batch = -(-device_batch // micro_batch), 0
    return dataclasses.replace(
        config,
        devices=devices,
        nodes=nodes,
        micro_batch=micro_batch,
        trainer=dataclasses.replace(
            trainer,
            accelerator=accelerator,
            precision=precision,
            memory_format=(
                "channels_last" if trainer.memory_format == "auto" else trainer.memory_format
            ),
            accumulate=accumulate,
            threads=threads,
            workers=_workers(trainer.workers, accelerator, share),
        ),
    )


def is_torchruns(environment: Mapping[str, str]) -> bool:
    """Whether torchrun started this process: it sets one thread for each where nobody asked."""
    started = world_of(environment)
    return started is not None and started.started_by == "torchrun"


def _workers(configured: int, accelerator: str, process_cores: int) -> int:
    """Return the number of decoding processes; on a CPU they would take cores from training."""
    if configured >= 0:
        return configured
    return min(process_cores, MOST_WORKERS) if accelerator == "gpu" else 0


def _processes_sharing_cores(devices: int) -> int:
    # srun may give each task cores of its own, and shows a task those alone.
    started = world_of(os.environ)
    is_a_task = started is not None and started.started_by == "srun" and not started.is_alone
    return 1 if is_a_task else devices


def _processes(config: Config, accelerator: str) -> tuple[int, int]:
    """Return devices and nodes, as torchrun, srun or the config say.

    Raises:
        ConfigError: torchrun or srun and the config differ.
    """
    started = world_of(os.environ)
    if started is None or started.is_alone:
        if config.launcher.name == "slurm" and not config.devices:
            raise ConfigError("devices = 0: launcher=slurm needs their number, devices=N")
        found = len(usable_gpus()) if accelerator == "gpu" and not config.devices else 1
        return config.devices or max(1, found), config.nodes
    world = started.local_size, started.nodes
    wanted = config.devices or world[0], config.nodes if config.nodes > 1 else world[1]
    if wanted != world:
        raise ConfigError(
            f"devices = {config.devices}, nodes = {config.nodes}: {started.started_by} started "
            f"{world[0]} processes on each of {world[1]} nodes; trainer=ddp takes what there is"
        )
    return world
