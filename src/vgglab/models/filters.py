"""One large filter beside a stack of small ones of the same receptive field (section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stack:
    """Consecutive convolutions of stride 1 that all have the same number of channels."""

    kernels: tuple[int, ...]

    @property
    def name(self) -> str:
        """Count and kernel in words, such as ``three 3x3``."""
        counts = {1: "one", 2: "two", 3: "three"}
        return f"{counts[len(self.kernels)]} {self.kernels[0]}x{self.kernels[0]}"

    @property
    def receptive_field(self) -> int:
        """Side of the square of input pixels that one output depends on."""
        return 1 + sum(kernel - 1 for kernel in self.kernels)

    @property
    def weights(self) -> int:
        """Weights for each pair of an input and an output channel, without biases."""
        return sum(kernel**2 for kernel in self.kernels)

    @property
    def nonlinearities(self) -> int:
        """Number of ReLUs, one after each convolution."""
        return len(self.kernels)


COMPARED = (
    (Stack((7,)), Stack((3, 3, 3))),
    (Stack((5,)), Stack((3, 3))),
)
"""Pairs of equal receptive field."""


def rows() -> list[dict[str, str | int]]:
    """List every stack that is compared, as plain values."""
    return [
        {
            "stack": stack.name,
            "receptive_field": stack.receptive_field,
            "weights_a_channel_pair": stack.weights,
            "nonlinearities": stack.nonlinearities,
        }
        for pair in COMPARED
        for stack in pair
    ]
