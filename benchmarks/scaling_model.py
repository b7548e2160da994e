"""What a training step takes on several devices, predicted from a net's layer table.

A model of three parts: arithmetic at a constant rate, an all-reduce whose time is its bytes over
the slowest link, and their overlap in the order in which DDP sends its buckets. Knows no torch.
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


def buckets(rows: Sequence[LayerCost], bucket_mib: float, bytes_each: int) -> list[tuple[int, int]]:
    """``(bytes, rows still to go backwards)`` of each bucket, in the order of sending.

    DDP fills buckets from the last layer to the first and splits no tensor.
    """
    found: list[tuple[int, int]] = []
    size, limit = 0, float(FIRST_BUCKET)
    for index in reversed(range(len(rows))):
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
) -> StepTime:
    """A step of a global batch: forward, then backward while buckets are sent one by one.

    Backward takes twice the operations of forward. The optimiser's step and the reading of data
    are left out.
    """
    rows = cost.layers
    forward = [2 * row.macs * batch_size / hardware.size / hardware.operations for row in rows]
    compute = 3 * sum(forward)
    sent = communication = 0.0
    if hardware.size > 1:
        for size, index in buckets(rows, bucket_mib, bytes_each):
            ready = compute - 2 * sum(forward[:index])
            seconds = hardware.all_reduce(size)
            communication += seconds
            sent = max(sent, ready) + seconds
    return StepTime(compute=compute, communication=communication, total=max(compute, sent))


def speedup(cost: NetCost, hardware: Hardware, *, batch_size: int, bytes_each: int = 4) -> float:
    """Times faster than one of the devices at the same global batch."""
    together = step_time(cost, hardware, batch_size=batch_size, bytes_each=bytes_each)
    return hardware.size * together.compute / together.total


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
