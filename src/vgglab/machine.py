"""What this machine has. Knows no torch: a sweep's parent asks it before any run starts one."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.launch import slurm
from vgglab.world import world_of

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last is what Linux calls it on Arm

MOST_WORKERS = 16
"""Decoding processes that are started unasked, for each process of a run."""


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> int:
    """NVIDIA GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = len(list(Path("/dev").glob("nvidia[0-9]*")))
    if visible is None:
        return present
    return min(present, len([name for name in visible.split(",") if name.strip()]))


def process_seconds() -> float:
    """How long this process has been there; 0 where Linux does not say."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    ticks = int(stat.rpartition(")")[2].split()[19])  # field 22; the second may hold spaces
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def computes_in_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; elsewhere it is slower than float32."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return bool(_BF16_FLAGS & set(flags.split()))


def resolve(config: Config) -> Config:
    """The config with every ``auto`` of the trainer replaced by what this machine has."""
    trainer = config.trainer
    accelerator = trainer.accelerator
    if accelerator == "auto":
        # Where jobs are submitted there is often no GPU; SLURM knows where they will run.
        elsewhere = config.launcher.name == "slurm" and slurm.has_gpus(config.launcher.partition)
        accelerator = "gpu" if elsewhere or gpus() else "cpu"
    precision = trainer.precision
    if precision == "auto":
        precision = "bf16" if accelerator == "gpu" or computes_in_bf16() else "fp32"
    devices, nodes = _processes(config, accelerator)
    memory_format = trainer.memory_format
    if memory_format == "auto":
        memory_format = "channels_last"
    share = max(1, cores() // devices_here(config, devices))
    accumulate, micro_batch = trainer.accumulate, config.micro_batch
    if isinstance(micro_batch, int) and micro_batch:
        of_a_device = -(-config.recipe.batch_size // (devices * nodes))
        accumulate, micro_batch = -(-of_a_device // micro_batch), 0
    return dataclasses.replace(
        config,
        devices=devices,
        nodes=nodes,
        micro_batch=micro_batch,
        trainer=dataclasses.replace(
            trainer,
            accelerator=accelerator,
            precision=precision,
            memory_format=memory_format,
            accumulate=accumulate,
            threads=trainer.threads or share,
            workers=_workers(trainer.workers, accelerator, share),
        ),
    )


def _workers(asked: int, accelerator: str, cores_of_process: int) -> int:
    """Processes that decode images; on a CPU they would take the cores from the training."""
    if asked >= 0:
        return asked
    return min(cores_of_process, MOST_WORKERS) if accelerator == "gpu" else 0


def devices_here(config: Config, devices: int) -> int:
    """Processes of the run that share this machine's cores."""
    # Under srun each task may have cores of its own.
    started = world_of(os.environ)
    return 1 if started is not None and started.started_by == "srun" else devices


def _processes(config: Config, accelerator: str) -> tuple[int, int]:
    """Devices and nodes: as whoever started this process says, and as the config does.

    Raises:
        ConfigError: they differ.
    """
    started = world_of(os.environ)
    if started is None or started.is_alone:
        if config.launcher.name == "slurm" and not config.devices:
            raise ConfigError("devices = 0: launcher=slurm needs their number, devices=N")
        return config.devices or (max(1, gpus()) if accelerator == "gpu" else 1), config.nodes
    found = started.local_size, started.nodes
    asked = config.devices or found[0], config.nodes if config.nodes > 1 else found[1]
    if asked != found:
        raise ConfigError(
            f"devices = {config.devices}, nodes = {config.nodes}: {started.started_by} started "
            f"{found[0]} processes on each of {found[1]} nodes; trainer=ddp takes what there is"
        )
    return found
