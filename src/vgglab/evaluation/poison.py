"""Numbers that are not finite, told on without waiting for the device that computes them."""

from __future__ import annotations

from torch import Tensor


def poison(values: Tensor) -> Tensor:
    """0 where all values are finite, else NaN: added to a loss it changes nothing, or shows.

    Nothing is read back, so that a GPU goes on computing. Of no values: 0.
    """
    if not values.numel():
        return values.new_zeros(())
    largest = values.detach().abs().amax()  # of a NaN, NaN
    return 0 * largest
