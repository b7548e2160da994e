"""The processes that train one run together: how they meet, agree and exchange."""

from __future__ import annotations

import contextlib
import datetime
import inspect
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # named nowhere as its own
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.nn.parallel import DistributedDataParallel

from vgglab.config import TrainerConfig
from vgglab.world import LOOPBACK, World, find_master

TIMEOUT = datetime.timedelta(minutes=60)
"""That one process waits for another: long enough for a download, short of a whole night."""


@contextlib.contextmanager
def joined(world: World, accelerator: str) -> Iterator[Group]:
    """Meet the other processes; part again if all went well.

    NCCL carries what is on GPUs, gloo what is not, so that agreeing to stop waits for no GPU.
    """
    if world.is_alone:
        yield Group(world)
        return
    find_master(world)
    on_gpu = accelerator == "gpu"
    if on_gpu:
        torch.cuda.set_device(world.local_rank)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=store_on_loopback(world),
        rank=world.rank,
        world_size=world.size,
        timeout=TIMEOUT,
    )
    yield Group(world)
    # Not after an exception: parting waits for the others, of whom one may be dead.
    dist.destroy_process_group()


def store_on_loopback(world: World) -> TCPStore | None:
    """Where the processes of one machine meet, unless torchrun has made a place already.

    torch's own listens to every network that the machine is on, without asking who comes.
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
        descriptor = listening.detach()  # the store's, until the process ends
    return TCPStore(
        LOOPBACK,
        port,
        world.size,
        is_master=world.is_first,
        timeout=TIMEOUT,
        wait_for_workers=False,
        master_listen_fd=descriptor,
    )


class Group:
    """What the processes tell each other; alone, this process is told what it says."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._asked: tuple[Any, torch.Tensor] | None = None

    def from_first(self, value: Any) -> Any:
        """The first process's value."""
        if self.world.is_alone:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def to_first(self, value: Any) -> list[Any]:
        """Every process's value, by rank, for the first; nothing for the others."""
        if self.world.is_alone:
            return [value]
        values = [None] * self.world.size if self.world.is_first else None
        dist.gather_object(value, values, dst=0)
        return values or []

    def mean(self, value: float) -> float:
        """Over all processes, in double precision."""
        if self.world.is_alone:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(total)
        return float(total) / self.world.size

    def largest(self, value: int) -> int:
        """Over all processes."""
        if self.world.is_alone:
            return value
        most = torch.tensor(value)
        dist.all_reduce(most, op=dist.ReduceOp.MAX)
        return int(most)

    def largest_before(self, value: int) -> int:
        """What ``largest`` would have said at the call before this one: nobody waits for anybody.
        Alone there is nothing to wait for, and it is about now."""
        if self.world.is_alone:
            return value
        before = 0
        if self._asked is not None:
            work, most = self._asked
            work.wait()
            before = int(most)
        most = torch.tensor(value)
        self._asked = dist.all_reduce(most, op=dist.ReduceOp.MAX, async_op=True), most
        return before

    @contextlib.contextmanager
    def first_alone_first(self) -> Iterator[None]:
        """The first process does it while the others wait; then they do it."""
        if not self.world.is_first:
            self.from_first(None)
        yield
        if self.world.is_first:
            self.from_first(None)


class Environment(LightningEnvironment):
    """Tells Lightning what ``World`` says, so that it looks for no cluster of its own."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def world_size(self) -> int:
        return self._world.size

    def global_rank(self) -> int:
        return self._world.rank

    def local_rank(self) -> int:
        return self._world.local_rank

    def node_rank(self) -> int:
        return self._world.node

    def set_world_size(self, size: int) -> None:
        """The processes are there already."""

    def set_global_rank(self, rank: int) -> None:
        """Every process knows its own."""

    @property
    def main_address(self) -> str:
        return os.environ.get("MASTER_ADDR", "127.0.0.1")


class SizeGuard(pl.Callback):
    """Trainer, process group and config must speak of the same number of processes."""

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


class CompressingDDP(DDPStrategy):
    """Rounds gradients to bf16 before they are sent. Lightning's own hook is for GPUs alone, and is
    left out on a CPU without a word."""

    def _register_ddp_hooks(self) -> None:
        assert isinstance(self.model, DistributedDataParallel)
        self.model.register_comm_hook(None, bf16_compress_hook)


def strategy_of(trainer: TrainerConfig, world: World) -> Strategy | str:
    """How Lightning runs the steps."""
    if world.is_alone:
        return "auto"
    kind = CompressingDDP if trainer.compress_gradients == "bf16" else DDPStrategy
    # Batch norm's are equal, or shared before they are used. torch 2.14 has renamed the argument.
    named = inspect.signature(DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in named else "broadcast_buffers"
    named_anew: dict[str, Any] = {buffers: False}
    return kind(
        process_group_backend=None,  # the group is there already
        gradient_as_bucket_view=True,  # no second copy of all gradients
        # Every parameter gets a gradient in every step. With micro-batches, of which all but the
        # last send nothing, torch 2.14 ends in an assertion of its own.
        static_graph=trainer.accumulate == 1,
        bucket_cap_mb=trainer.bucket_mib,
        **named_anew,
    )
