"""Random numbers keyed by seed, epoch and sample index, not by worker, rank or position.

The same sample of the same epoch is augmented alike on 1, 2 or 8 devices, and after a resume.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ORDER, SHIFT_X, SHIFT_Y, FLIP, DROPOUT, SCALE, CROP_Y, CROP_X, COLOR = range(9)
"""Streams: independent draws for the same sample. ``COLOR`` is the first of one a channel."""


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The splitmix64 finaliser (Steele, Lea & Flood 2014): a bijection that scatters its input."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def keyed_bits(
    seed: int, epoch: int, samples_n: NDArray[np.int64], stream: int
) -> NDArray[np.uint64]:
    """64 random bits for each sample index, shape (N,).

    Args:
        seed: The run's.
        epoch: From 0.
        samples_n: Index of each sample in its split.
        stream: One of the constants above.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is the algorithm
        key = np.full(samples_n.shape, seed, dtype=np.uint64)
        for part in (epoch, stream):
            key = _mix(key + golden) + np.uint64(part)
        return _mix(_mix(key + golden) + samples_n.astype(np.uint64) * golden)


def keyed_integers(
    seed: int, epoch: int, samples_n: NDArray[np.int64], stream: int, bound: int
) -> NDArray[np.int64]:
    """A uniform integer in [0, bound) for each sample index, shape (N,).

    Args:
        seed: The run's.
        epoch: From 0.
        samples_n: Index of each sample in its split.
        stream: One of the constants above.
        bound: Number of possible values, far below 2**32.
    """
    top_bits = keyed_bits(seed, epoch, samples_n, stream) >> np.uint64(32)
    # 32 bits scaled to a small range: the bias is below bound / 2**32.
    return ((top_bits * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)


def keyed_flags(
    seed: int, epoch: int, samples_n: NDArray[np.int64], stream: int
) -> NDArray[np.bool_]:
    """A fair coin for each sample index, shape (N,).

    Args:
        seed: The run's.
        epoch: From 0.
        samples_n: Index of each sample in its split.
        stream: One of the constants above.
    """
    return (keyed_bits(seed, epoch, samples_n, stream) >> np.uint64(63)).astype(bool)


def dropout_keys(seed: int, epoch: int, samples_n: NDArray[np.int64]) -> NDArray[np.int32]:
    """32 random bits for each sample index, shape (N,), that its dropout masks follow from.

    Args:
        seed: The run's.
        epoch: From 0.
        samples_n: Index of each sample in its split.
    """
    bits = keyed_bits(seed, epoch, samples_n, DROPOUT)
    return (bits >> np.uint64(32)).astype(np.uint32).view(np.int32)


def keyed_normals(
    seed: int, epoch: int, samples_n: NDArray[np.int64], stream: int
) -> NDArray[np.float64]:
    """A standard normal number for each sample index, shape (N,), by Box and Muller (1958).

    Args:
        seed: The run's.
        epoch: From 0.
        samples_n: Index of each sample in its split.
        stream: One of the constants above.
    """
    bits = keyed_bits(seed, epoch, samples_n, stream)
    # Halves of the bits, each in the middle of its 2**-32: never 0, whose logarithm is not finite.
    radius, angle = (
        ((half & np.uint64(0xFFFFFFFF)).astype(np.float64) + 0.5) / 2**32
        for half in (bits >> np.uint64(32), bits)
    )
    normals: NDArray[np.float64] = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    return normals


def keyed_order(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """A permutation of the sample indices for an epoch.

    Args:
        seed: The run's.
        epoch: From 0.
        size: Number of samples.
    """
    indices = np.arange(size, dtype=np.int64)
    return np.argsort(keyed_bits(seed, epoch, indices, ORDER), kind="stable")
