"""Two runs on the same test images: which of them is right where, and is that more than luck?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from vgglab.study.claims.contrast import noise_of_images, sums_of_originals
from vgglab.study.claims.distributions import normal_isf
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.mistakes import Mistakes


@dataclass(frozen=True)
class Disagreement:
    """The test images of two runs by which of them is right."""

    images: int
    originals: int
    """That the images were made from; images of one are no independent evidence."""
    both_right: int
    only_first: int
    """The first is right and the second is wrong."""
    only_second: int
    both_wrong: int
    difference: float
    """The second run's error less the first's, percentage points."""
    interval: tuple[float, float]
    """At 95% over other test images of the kind, for these two runs as they are."""
    p_value: float
    """Of ``swap_test``: exact McNemar where each image has an original of its own."""


def disagreement(first: Mistakes, second: Mistakes) -> Disagreement:
    """Compare the mistakes of two runs on the same images."""
    ours, theirs = first.wrong_n, second.wrong_n
    _, original_n = np.unique(first.original_n, return_inverse=True)
    worse_n = theirs.astype(np.int64) - ours
    worse_o = np.bincount(original_n, worse_n).round().astype(np.int64)
    images, originals = len(ours), len(worse_o)
    difference = 100.0 * float(worse_n.mean())
    reach = 0.0
    if originals > 1:
        sums = sums_of_originals(100.0 * worse_n[None, :], original_n)
        variance, _ = noise_of_images([sums], images)
        reach = normal_isf(ALPHA / 2) * math.sqrt(variance)
    return Disagreement(
        images=images,
        originals=originals,
        both_right=int((~ours & ~theirs).sum()),
        only_first=int((~ours & theirs).sum()),
        only_second=int((ours & ~theirs).sum()),
        both_wrong=int((ours & theirs).sum()),
        difference=difference,
        interval=(difference - reach, difference + reach),
        p_value=swap_test(worse_o),
    )


def swap_test(worse_o: NDArray[np.int64]) -> float:
    """Exact two-sided p-value of a difference between two runs, over the test images.

    If neither run is better, their answers to all images of an original might as well be swapped:
    each original's balance has either sign with a chance of 1/2. With one image an original this is
    McNemar's exact test (McNemar 1947).

    Args:
        worse_o: for each original, images that the second run alone gets wrong less those that the
            first alone does.
    """
    sizes, counts = np.unique(np.abs(worse_o[worse_o != 0]), return_counts=True)
    chances = np.ones(1)  # of each sum of balances, from the least to the greatest
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        of_size = np.zeros(2 * size * count + 1)
        of_size[:: 2 * size] = scipy.stats.binom.pmf(np.arange(count + 1), count, 0.5)
        chances = scipy.signal.convolve(chances, of_size)
    least = abs(int(worse_o.sum()))
    sums = np.arange(len(chances)) - len(chances) // 2
    return float(min(1.0, max(0.0, chances[np.abs(sums) >= least].sum())))
