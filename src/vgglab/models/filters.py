"""One large filter against a stack of small ones that sees as far (paper, section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stack:
    """Convolutions of stride 1, one after the other, all of the same number of channels."""

    kernels: tuple[int, ...]

    @property
    def name(self) -> str:
        """``three 3x3``."""
        counts = {1: "one", 2: "two", 3: "three"}
        return f"{counts[len(self.kernels)]} {self.kernels[0]}x{self.kernels[0]}"

    @property
    def receptive_field(self) -> int:
        """Side of the square of input pixels that one output depends on."""
        return 1 + sum(kernel - 1 for kernel in self.kernels)

    @property
    def weights(self) -> int:
        """For each pair of an input and an output channel, biases left out."""
        return sum(kernel**2 for kernel in self.kernels)

    @property
    def nonlinearities(self) -> int:
        """ReLUs."""
        return len(self.kernels)


COMPARED = (
    (Stack((7,)), Stack((3, 3, 3))),
    (Stack((5,)), Stack((3, 3))),
)
"""Pairs that see equally far."""


def rows() -> list[dict[str, str | int]]:
    """Every stack that is compared, as plain values."""
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
