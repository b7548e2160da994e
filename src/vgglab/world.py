"""The processes that train one run together, and the place of this one. Does not load torch."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that torchrun and our own launcher set for each process."""

_SLURM = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES")

LOOPBACK = "127.0.0.1"
"""Address where the processes of one machine meet; other machines cannot reach it."""

_FIRST_PORT, _PORTS = 20_000, 12_000
"""A step of a SLURM job takes its port from these by their numbers."""
_STEPS = 16
"""Steps of one job that have ports of their own."""


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


class WorldError(Exception):
    """The environment does not say which of several processes this is; the message is one line."""


def world_of(environment: Mapping[str, str]) -> World | None:
    """Read the world from the environment; None where this process was started alone.

    Raises:
        WorldError: variables are missing or make no sense together.
    """
    given = {name: value for name, value in environment.items() if value.strip()}
    if "RANK" in given and "WORLD_SIZE" in given:
        size = _number(given, "WORLD_SIZE", least=1)
        local_size = _number(given, "LOCAL_WORLD_SIZE", least=1, default=size)
        return World(
            rank=_number(given, "RANK", below=size),
            local_rank=_number(given, "LOCAL_RANK", below=local_size, default=_only(size)),
            size=size,
            local_size=local_size,
            started_by="torchrun",
        )
    # SLURM_NTASKS is set in a batch script too; only srun numbers its tasks within a step.
    if "SLURM_STEP_NUM_TASKS" in given and "SLURM_PROCID" in given:
        size = _number(given, "SLURM_STEP_NUM_TASKS", least=1)
        local_size = max(1, size // _number(given, "SLURM_STEP_NUM_NODES", least=1, default=1))
        return World(
            rank=_number(given, "SLURM_PROCID", below=size),
            local_rank=_number(given, "SLURM_LOCALID", below=local_size, default=_only(size)),
            size=size,
            local_size=local_size,
            started_by="srun",
        )
    return None


def _only(size: int) -> int | None:
    """The local rank of a process that is the only one, else unknown."""
    return 0 if size == 1 else None


def _number(
    given: Mapping[str, str],
    name: str,
    *,
    least: int = 0,
    below: int | None = None,
    default: int | None = None,
) -> int:
    """The whole number in a variable.

    Args:
        given: The environment.
        name: The variable.
        least: The smallest number that makes sense.
        below: All numbers that make sense are below it.
        default: Where the variable is missing; None: it must not be.

    Raises:
        WorldError: it is missing, or its number makes no sense.
    """
    text = given.get(name, "" if default is None else str(default)).strip()
    if text.isdecimal() and least <= int(text) and (below is None or int(text) < below):
        return int(text)
    allowed = f"at least {least}" if below is None else f"from {least} to {below - 1}"
    ours = " ".join(n for n in (*VARIABLES, *_SLURM) if n in given)
    found = f"{name} = {text}" if text else f"{name} is missing"
    raise WorldError(
        f"{found}: must be a whole number {allowed}, because {ours} are set; unset them to train "
        "in one process, or start several by torchrun, srun or trainer=ddp"
    )


def find_master(world: World) -> None:
    """Set the address where the processes meet in the environment, unless it is set.

    Raises:
        WorldError: nothing says which machine is the first, or at which of its ports they meet.
    """
    if world.is_alone:
        return
    if os.environ.get("MASTER_ADDR", "").strip():
        port = os.environ.get("MASTER_PORT", "").strip()
        if not (port.isdecimal() and 0 < int(port) < 2**16):
            found = f"MASTER_PORT = {port}" if port else "MASTER_PORT is missing"
            raise WorldError(f"{found}: must be a port from 1 to 65535, because MASTER_ADDR is set")
        return
    for name in ("SLURM_STEP_NODELIST", "SLURM_JOB_ID"):
        if not os.environ.get(name):
            raise WorldError(f"MASTER_ADDR and {name} are missing: nothing says where to meet")
    os.environ["MASTER_ADDR"] = _first_host(os.environ["SLURM_STEP_NODELIST"])
    job, step = (os.environ.get(name, "") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    # Steps of one job may run at the same time, and so may the jobs after it.
    number = int(job) * _STEPS + (int(step) if step.isdecimal() else 0) % _STEPS
    os.environ["MASTER_PORT"] = str(_FIRST_PORT + number % _PORTS)


def _first_host(nodes: str) -> str:
    """Return the first name of a SLURM node list such as ``gpu[3-5,8]``."""
    if "[" not in nodes:
        return nodes.partition(",")[0]
    try:
        listed = subprocess.run(
            ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise WorldError(
            f"MASTER_ADDR is missing, and scontrol does not say which of {nodes} is the first: "
            f"{' '.join(said.split())}; set MASTER_ADDR and MASTER_PORT"
        ) from error
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
