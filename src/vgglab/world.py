"""The processes that train one run together, and the place of this one. Does not load torch."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that torchrun and our own launcher set for each process."""

LOOPBACK = "127.0.0.1"
"""Address where the processes of one machine meet; other machines cannot reach it."""

_FIRST_PORT, _PORTS = 20_000, 12_000
"""A SLURM job takes its port from these by its number."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The place of a process among those that train one run together."""

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    local_size: int = 1
    """Processes on this machine."""
    started_by: str = ""
    """``torchrun``, ``srun``, or empty."""

    @property
    def is_alone(self) -> bool:
        return self.size == 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes, logs and downloads."""
        return self.rank == 0

    @property
    def nodes(self) -> int:
        return self.size // self.local_size

    @property
    def node(self) -> int:
        return self.rank // self.local_size


ALONE = World()


def world_of(environment: Mapping[str, str]) -> World | None:
    """Read the world from the environment; None where this process was started alone."""
    if "RANK" in environment and "WORLD_SIZE" in environment:
        size = int(environment["WORLD_SIZE"])
        return World(
            rank=int(environment["RANK"]),
            local_rank=int(environment["LOCAL_RANK"]),
            size=size,
            local_size=int(environment.get("LOCAL_WORLD_SIZE", size)),
            started_by="torchrun",
        )
    # SLURM_NTASKS is set in a batch script too; only srun numbers its tasks within a step.
    if "SLURM_STEP_NUM_TASKS" in environment and "SLURM_PROCID" in environment:
        size = int(environment["SLURM_STEP_NUM_TASKS"])
        nodes = int(environment.get("SLURM_STEP_NUM_NODES", "1"))
        return World(
            rank=int(environment["SLURM_PROCID"]),
            local_rank=int(environment["SLURM_LOCALID"]),
            size=size,
            local_size=size // nodes,
            started_by="srun",
        )
    return None


def find_master(world: World) -> None:
    """Set the address where the processes meet in the environment, unless it is set."""
    if world.is_alone or "MASTER_ADDR" in os.environ:
        return
    os.environ["MASTER_ADDR"] = _first_host(os.environ["SLURM_STEP_NODELIST"])
    port = _FIRST_PORT + int(os.environ["SLURM_JOB_ID"]) % _PORTS
    os.environ["MASTER_PORT"] = str(port)


def _first_host(nodes: str) -> str:
    """Return the first name of a SLURM node list such as ``gpu[3-5,8]``."""
    if "[" not in nodes:
        return nodes.partition(",")[0]
    listed = subprocess.run(
        ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()[0]


_AGENT = ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")
"""Environment variables by which the agent of a W&B sweep says which run it has asked for."""


def leave_agent() -> None:
    """Forget the agent of a W&B sweep, here and in processes below: it asked for another run."""
    if "WANDB_SWEEP_ID" in os.environ:
        for name in _AGENT:
            os.environ.pop(name, None)


@contextlib.contextmanager
def agent_left(*, unless: bool) -> Iterator[None]:
    """``leave_agent`` until the context ends; ``unless``: the run in it is the one asked for."""
    if unless:
        yield
        return
    before = {name: os.environ[name] for name in _AGENT if name in os.environ}
    leave_agent()
    try:
        yield
    finally:
        os.environ.update(before)


def without_world(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process that starts a run of its own."""
    step = ("SLURM_STEP", "SLURM_PROCID", "SLURM_LOCALID")
    outer = (*VARIABLES, "NODE_RANK", "GROUP_RANK", "TORCHELASTIC_USE_AGENT_STORE")
    return {
        name: value
        for name, value in environment.items()
        if name not in outer and not name.startswith(step)
    }
