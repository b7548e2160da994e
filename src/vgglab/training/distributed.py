"""The processes that train one run together: rendezvous, exchange of values."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # named nowhere as its own

from vgglab.data.device import device_of
from vgglab.world import LOOPBACK, World, find_master

TIMEOUT = datetime.timedelta(minutes=60)
"""Longest wait of one process for another: enough for a download, less than a whole night."""


@contextlib.contextmanager
def process_group(world: World, accelerator: str) -> Iterator[ProcessGroup]:
    """Join the process group; leave it on success.

    NCCL carries tensors on GPUs and gloo all others, so that agreeing to stop waits for no GPU.
    """
    if world.is_alone:
        yield ProcessGroup(world)
        return
    find_master(world)
    on_gpu = accelerator == "gpu"
    gpu = device_of("gpu", world) if on_gpu else None
    if gpu is not None:
        torch.cuda.set_device(gpu)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=store_on_loopback(world),
        rank=world.rank,
        world_size=world.size,
        timeout=TIMEOUT,
        device_id=gpu,  # else NCCL guesses it, and connects only at the first exchange
    )
    yield ProcessGroup(world)
    # Not after an exception: leaving waits for the others, of whom one may be dead.
    dist.destroy_process_group()


def store_on_loopback(world: World) -> TCPStore | None:
    """A rendezvous on loopback; None for several machines, and under torchrun, which has its own.

    torch's own store listens on every network of the machine, and asks no one who they are.
    """
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if address != LOOPBACK or "TORCHELASTIC_USE_AGENT_STORE" in os.environ:
        return None
    descriptor = None
    if world.is_first:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((LOOPBACK, port))
        listening.listen()
        descriptor = listening.detach()  # owned by the store until the process ends
    return TCPStore(
        LOOPBACK,
        port,
        world.size,
        is_master=world.is_first,
        timeout=TIMEOUT,
        wait_for_workers=False,
        master_listen_fd=descriptor,
    )


class ProcessGroup:
    """Values exchanged by the processes of a run; each method is called by all of them.

    Of a run of one process, the methods return what they are given.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._pending: tuple[Any, torch.Tensor] | None = None

    def from_first(self, value: Any) -> Any:
        """The first process's value."""
        if self.world.is_alone:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def to_first(self, value: Any) -> list[Any]:
        """Every process's value, by rank, in the first process; an empty list in the others."""
        if self.world.is_alone:
            return [value]
        values = [None] * self.world.size if self.world.is_first else None
        dist.gather_object(value, values, dst=0)
        return values or []

    def mean(self, value: float) -> float:
        """Mean over all processes, in double precision."""
        if self.world.is_alone:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(total)
        return float(total) / self.world.size

    def largest(self, value: int) -> int:
        """Maximum over all processes."""
        if self.world.is_alone:
            return value
        most = torch.tensor(value)
        dist.all_reduce(most, op=dist.ReduceOp.MAX)
        return int(most)

    def largest_before(self, value: int) -> int:
        """Does not block: returns the maximum of the values of the previous call, at first 0.

        In a run of one process, the value itself.
        """
        if self.world.is_alone:
            return value
        before = 0
        if self._pending is not None:
            work, most = self._pending
            work.wait()
            before = int(most)
        most = torch.tensor(value)
        self._pending = dist.all_reduce(most, op=dist.ReduceOp.MAX, async_op=True), most
        return before

    @contextlib.contextmanager
    def first_alone_first(self) -> Iterator[None]:
        """Run a block in the first process while the others wait, then in those."""
        if not self.world.is_first:
            self.from_first(None)
        yield
        if self.world.is_first:
            self.from_first(None)


class Environment(LightningEnvironment):
    """``World`` as Lightning reads it, so that it looks for no cluster of its own."""

    def __init__(self, world: World, accelerator: str) -> None:
        super().__init__()
        self._world = world
        # Lightning takes the GPU of this index.
        self._place = device_of("gpu", world).index if accelerator == "gpu" else world.local_rank

    @property
    def creates_processes_externally(self) -> bool:
        """Always: vgglab, SLURM or torchrun starts them."""
        return True

    def world_size(self) -> int:
        """Processes of the run."""
        return self._world.size

    def global_rank(self) -> int:
        """Index of this process."""
        return self._world.rank

    def local_rank(self) -> int:
        """Index of this process's device among those that it sees."""
        return self._place

    def node_rank(self) -> int:
        """Index of this machine."""
        return self._world.node

    def set_world_size(self, size: int) -> None:
        """Does nothing: the processes exist already."""

    def set_global_rank(self, rank: int) -> None:
        """Does nothing: every process knows its own rank."""

    @property
    def main_address(self) -> str:
        """The first process's host."""
        return os.environ.get("MASTER_ADDR", "127.0.0.1")


class SizeGuard(pl.Callback):
    """Checks that trainer, process group and config have the same number of processes."""

    def __init__(self, processes: int) -> None:
        self._processes = processes

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._check(trainer)

    def _check(self, trainer: pl.Trainer) -> None:
        group = dist.get_world_size() if dist.is_initialized() else 1
        if {group, trainer.world_size} != {self._processes}:
            raise RuntimeError(
                f"{self._processes} processes were asked for, the trainer believes in "
                f"{trainer.world_size}, the process group has {group}: gradients would be "
                "averaged over others than the batch"
            )
