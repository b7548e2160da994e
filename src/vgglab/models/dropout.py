"""Dropout whose masks belong to the sample, not to its place in a batch or to a device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


class KeyedDropout(nn.Dropout):
    """Dropout whose mask follows from a key of each sample; without keys it is torch's own.

    The mask of a sample depends on its key, on the layer and on the unit alone, so that a step
    drops the same units on one device, on eight, and after a resume. The layer has no state.

    Args:
        p: probability of dropping a unit.
        layer: number of the layer in its net; layers of equal shape then drop different units.
    """

    def __init__(self, p: float, layer: int) -> None:
        super().__init__(p)
        self.layer = layer
        self.keys_n: Tensor | None = None
        """int32, one random number for each sample; see ``keyed_dropout``."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop units of values (N, units) in training."""
        if not self.training or self.p == 0 or self.keys_n is None:
            return super().forward(input)
        return input * keyed_mask(self.keys_n, self.layer, input.shape[1], self.p).to(input.dtype)


def keyed_mask(keys_n: Tensor, layer: int, units: int, p: float) -> Tensor:
    """Compute factors that drop units and scale the others up.

    A 32-bit hash of key and unit is compared with a threshold; the hash ends as Murmur3's does
    (Appleby 2011). int32 multiplication wraps, and a shift copies the sign, which is masked out.

    Args:
        keys_n: (N,), int32, a random number for each sample.
        layer: number of the layer in its net.
        units: length of the mask of one sample.
        p: probability of dropping a unit.

    Returns:
        (N, units), float32: 0 with probability ``p``, else 1 / (1 - p).
    """
    places = torch.arange(1, units + 1, dtype=torch.int32, device=keys_n.device)
    places = _scatter(places * -1640531535 + layer * 668265263)  # odd: no two units share a place
    bits = _scatter(keys_n[:, None] + places[None, :])
    # A share p of the 2**32 values is below the threshold, exact to 2**-32.
    threshold = min(round(p * 2**32), 2**32 - 1) - 2**31
    return (bits >= threshold).to(torch.float32).mul_(1 / (1 - p))


def _scatter(values: Tensor) -> Tensor:
    """Scatter int32 values by a bijection, in place."""
    values.bitwise_xor_((values >> 16).bitwise_and_(0xFFFF)).mul_(-2048144789)
    values.bitwise_xor_((values >> 13).bitwise_and_(0x7FFFF)).mul_(-1028477387)
    return values.bitwise_xor_((values >> 16).bitwise_and_(0xFFFF))


def dropout_layers(net: nn.Module) -> list[KeyedDropout]:
    """Find a net's dropout layers. Call it once: the walk takes as long as a small layer."""
    return [module for module in net.modules() if isinstance(module, KeyedDropout)]


@contextlib.contextmanager
def keyed_dropout(layers: Sequence[KeyedDropout], keys_n: Tensor) -> Iterator[None]:
    """Within the context, the layers drop units by the samples' keys (N,), int32."""
    for layer in layers:
        layer.keys_n = keys_n
    try:
        yield
    finally:
        for layer in layers:
            layer.keys_n = None
