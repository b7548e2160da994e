"""What a training step takes on several devices, predicted from a net's layer table.

A model of three parts: arithmetic at a constant rate, an exchange whose time is its bytes over the
slowest link, and their overlap in the order in which DDP sends its buckets and the fully connected
layers their factors. Knows no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vgglab.models.cost import NetCost
from vgglab.models.layer_costs import LayerCost

MIB = 2**20
FIRST_BUCKET = 1 * MIB
"""Bytes of DDP's first bucket, so that sending begins early."""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Devices and what joins them. Rates are what one expects to reach, not peaks."""

    name: str
    devices: int
    """On a node."""
    nodes: int = 1
    operations: float
    """A second on each device; a multiply-accumulate is two."""
    link: float
    """Bytes a second that a device sends to its neighbour in the node."""
    network: float = float("inf")
    """Bytes a second that a node sends."""
    latency: float = 2e-5
    """Seconds of one hop."""
    factor_bytes: int = 2
    """Of a value that a fully connected layer takes or gives: 2 under bf16 autocast, 4 in fp32."""

    @property
    def size(self) -> int:
        """Devices of all nodes."""
        return self.devices * self.nodes

    def all_reduce(self, size_bytes: float) -> float:
        """Seconds to sum ``size_bytes`` over all devices.

        A ring sends 2 (n - 1) / n of the bytes over each link (Patarasuk & Yuan 2009); over nodes,
        the sums of the nodes go round a ring of nodes.
        """
        inside = 2 * (self.devices - 1) / self.devices * size_bytes / self.link
        between = 2 * (self.nodes - 1) / self.nodes * size_bytes / self.network
        hops = 2 * (self.devices - 1) + 2 * (self.nodes - 1)
        return inside + between + hops * self.latency

    def all_gather(self, size_bytes: float) -> float:
        """Seconds until each device has all of ``size_bytes``, of which each has a part.

        A ring sends (n - 1) / n of the bytes over each link: half of an all-reduce.
        """
        inside = (self.size - 1) / self.size * size_bytes / self.link
        between = (self.nodes - 1) / self.nodes * size_bytes / self.network
        hops = self.devices - 1 + self.nodes - 1
        return inside + between + hops * self.latency


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of one step."""

    compute: float
    communication: float
    """All of it, had nothing been computed meanwhile."""
    total: float

    @property
    def exposed(self) -> float:
        """Communication that computing did not hide."""
        return self.total - self.compute


def buckets(
    rows: Sequence[LayerCost], bucket_mib: float, bytes_each: int, *, head: bool = True
) -> list[tuple[int, int]]:
    """``(bytes, rows still to go backwards)`` of each bucket, in the order of sending.

    DDP fills buckets from the last layer to the first and splits no tensor.

    Args:
        rows: the net's layers from input to logits.
        bucket_mib: MiB from which on a bucket is sent.
        bytes_each: of a gradient.
        head: send the fully connected layers too.
    """
    found: list[tuple[int, int]] = []
    size, limit = 0, float(FIRST_BUCKET)
    for index in reversed(range(len(rows))):
        if head or rows[index].type != "fc":
            size += rows[index].parameters * bytes_each
        if size >= limit:
            found.append((size, index))
            size, limit = 0, bucket_mib * MIB
    return [*found, (size, 0)] if size else found


def step_time(
    cost: NetCost,
    hardware: Hardware,
    *,
    batch_size: int,
    bucket_mib: float = 25.0,
    bytes_each: int = 4,
    factors: bool = False,
) -> StepTime:
    """A step of a global batch: forward, then backward while gradients are sent one by one.

    Backward takes twice the operations of forward. The optimiser's step and the reading of data
    are left out.

    Args:
        cost: the net's layers.
        hardware: the devices.
        batch_size: images of the step, over all devices.
        bucket_mib: DDP's.
        bytes_each: of a gradient.
        factors: the fully connected layers send their factors (``models/linear.py``): inputs from
            the forward pass on, the gradients of their outputs in the backward pass, which waits
            for both and multiplies those of the whole batch.
    """
    factors = factors and hardware.size > 1
    rows = cost.layers
    forward = [2 * row.macs * batch_size / hardware.size / hardware.operations for row in rows]
    free = communication = 0.0  # when the link is free, and how long it was not
    now = 0.0

    def send(seconds: float) -> None:
        nonlocal free, communication
        free, communication = max(free, now) + seconds, communication + seconds

    def gather(values: int) -> None:
        # trainer.compress_gradients rounds factors too.
        each = min(hardware.factor_bytes, bytes_each)
        send(hardware.all_gather(batch_size * values * each))

    sent = {
        index: hardware.all_reduce(size)
        for size, index in buckets(rows, bucket_mib, bytes_each, head=not factors)
        if hardware.size > 1
    }
    compute = 3 * sum(forward)
    for row, seconds in zip(rows, forward, strict=True):
        if factors and row.type == "fc":
            gather(row.parameters_without_biases // row.activations)
        now += seconds
    for index in reversed(range(len(rows))):
        if factors and rows[index].type == "fc":
            gather(rows[index].activations)
            now = max(now, free) + forward[index] * (hardware.size - 1)
            compute += forward[index] * (hardware.size - 1)
        now += 2 * forward[index]
        if index in sent:
            send(sent[index])
    return StepTime(compute=compute, communication=communication, total=max(now, free))


def speedup(
    cost: NetCost,
    hardware: Hardware,
    *,
    batch_size: int,
    bytes_each: int = 4,
    factors: bool = False,
) -> float:
    """Times faster than one of the devices at the same global batch.

    Args:
        cost: the net's layers.
        hardware: the devices.
        batch_size: images of the step, over all devices.
        bytes_each: of a gradient.
        factors: the fully connected layers send their factors.
    """
    one = replace(hardware, devices=1, nodes=1)
    alone = step_time(cost, one, batch_size=batch_size).total
    together = step_time(
        cost, hardware, batch_size=batch_size, bytes_each=bytes_each, factors=factors
    )
    return alone / together.total


def growing(hardware: Hardware) -> Iterator[Hardware]:
    """The hardware with 1, 2, 4 ... of its devices, then with 2, 4 ... of its nodes."""
    devices = 1
    while devices <= hardware.devices:
        yield replace(hardware, devices=devices, nodes=1)
        devices *= 2
    nodes = 2
    while nodes <= hardware.nodes:
        yield replace(hardware, nodes=nodes)
        nodes *= 2
