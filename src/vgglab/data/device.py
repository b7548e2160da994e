"""Copies to a device that the host does not wait for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.world import World

CPU = torch.device("cpu")
ALIGNMENT = 16
"""Bytes; the start of each array in a packed copy, so that a tensor of any type can begin there."""
RESIDENT_BYTES = 2**30
"""Images of a split in memory up to so many bytes are kept on a GPU whole: CIFAR takes 150 MB."""


def device_of(accelerator: str, world: World) -> torch.device:
    """The device of this process: on a GPU its place on the machine, or the one that SLURM lets
    it see alone."""
    if accelerator != "gpu":
        return CPU
    return torch.device("cuda", world.local_rank if torch.cuda.device_count() > 1 else 0)


def to_device(
    arrays: Mapping[str, NDArray[Any] | Tensor], device: torch.device
) -> dict[str, Tensor]:
    """Tensors of these arrays on a device, by one copy which nothing waits for.

    A copy from ordinary memory would wait for all that a GPU has still to compute, so that the host
    could never prepare the next step meanwhile. On a CPU nothing is copied.
    """
    tensors = {name: torch.as_tensor(array) for name, array in arrays.items()}
    if device.type == "cpu" or not tensors:
        return tensors
    sizes = [-(-array.nbytes // ALIGNMENT) * ALIGNMENT for array in tensors.values()]
    ends = list(itertools.accumulate(sizes))
    packed = torch.empty(ends[-1], dtype=torch.uint8, pin_memory=True)
    for tensor, end, size in zip(tensors.values(), ends, sizes, strict=True):
        _part(packed, end - size, tensor).copy_(tensor)
    moved = packed.to(device, non_blocking=True)
    return {
        name: _part(moved, end - size, tensor)
        for (name, tensor), end, size in zip(tensors.items(), ends, sizes, strict=True)
    }


def _part(packed: Tensor, start: int, like: Tensor) -> Tensor:
    """A tensor of another's type and shape in the memory of packed bytes."""
    return packed[start : start + like.nbytes].view(like.dtype).view(like.shape)


class Rows:
    """Rows of a tensor on the host, chosen by index and handed over on a device.

    On a GPU a small tensor is kept there whole, from the first batch on; of a large one, the chosen
    rows are copied from page-locked memory.

    Args:
        values: (M, ...), on the host.
        device: where the rows are wanted.
    """

    def __init__(self, values: Tensor, device: torch.device) -> None:
        self._values, self._device = values, device
        self._resident: Tensor | None = None

    def at(self, places_n: NDArray[np.int64]) -> Tensor:
        """The rows at these indices, (N, ...)."""
        if self._device.type == "cpu":
            return self._values.index_select(0, torch.from_numpy(places_n))
        if self._values.nbytes > RESIDENT_BYTES:
            shape = (len(places_n), *self._values.shape[1:])
            chosen = torch.empty(shape, dtype=self._values.dtype, pin_memory=True)
            torch.index_select(self._values, 0, torch.from_numpy(places_n), out=chosen)
            return chosen.to(self._device, non_blocking=True)
        if self._resident is None:
            self._resident = self._values.to(self._device)
        return self._resident.index_select(0, to_device({"": places_n}, self._device)[""])

    def leave(self) -> None:
        """Free the tensor on the device."""
        self._resident = None
