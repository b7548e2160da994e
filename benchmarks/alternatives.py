"""Other intervals for a paired difference, beside ours: how often each covers the truth.

    python benchmarks/alternatives.py

Same populations as ``calibration.py``, two nets of equal error, seeds paired; 95% is meant.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from calibration import NOISY, QUICKSTART, UNLIKE
from numpy.typing import NDArray
from scipy import stats
from simulated_studies import mistakes, scores

from vgglab.study.claims.contrast import Group, Measured, noise_of_images, sums_of_originals

POPULATIONS = {"quickstart": QUICKSTART, "noisy seeds": NOISY, "unlike nets": UNLIKE}
BASE = 10.0
"""Error of both nets, percent."""
RESAMPLES = 200


def ours_covers(contrast_si: NDArray[np.float32]) -> bool:
    """The interval of the product."""
    images = contrast_si.shape[1]
    sums_so = sums_of_originals(contrast_si, np.arange(images))
    variance, (luck,) = noise_of_images([sums_so], images)
    by_seed = tuple(float(value) for value in contrast_si.mean(axis=1))
    interval = Measured((Group(by_seed, luck),), variance, images, paired=True).interval
    return interval is not None and interval[0] <= 0 <= interval[1]


def bootstrap_covers(contrast_si: NDArray[np.float32], random: np.random.Generator) -> bool:
    """Percentile interval of a bootstrap that draws seeds and, for all of them, images anew."""
    seeds, images = contrast_si.shape
    drawn_bi = random.multinomial(images, np.full(images, 1 / images), RESAMPLES)
    by_seed_bs = drawn_bi.astype(np.float32) @ contrast_si.T / images
    chosen_bs = random.integers(seeds, size=(RESAMPLES, seeds))
    means_b = np.take_along_axis(by_seed_bs, chosen_bs, axis=1).mean(axis=1)
    low, high = np.quantile(means_b, [0.025, 0.975])
    return bool(low <= 0 <= high)


def satterthwaite_covers(contrast_si: NDArray[np.float32]) -> bool:
    """t-interval of the summed variances with Satterthwaite's degrees of freedom."""
    seeds, images = contrast_si.shape
    of_seed, of_image = contrast_si.mean(axis=1), contrast_si.mean(axis=0)
    mean = contrast_si.mean()
    squares = np.array([images * of_seed.var(ddof=1), seeds * of_image.var(ddof=1), 0.0])
    rest = contrast_si - of_seed[:, None] - of_image + mean
    freedom = np.array([seeds - 1, images - 1, (seeds - 1) * (images - 1)])
    squares[2] = (rest**2).sum() / freedom[2]
    total = squares[0] + squares[1] - squares[2]
    degrees = total**2 / (squares**2 / freedom).sum()
    half = stats.t.isf(0.025, degrees) * np.sqrt(max(total, 0.0) / (seeds * images))
    return bool(abs(mean) <= half)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=400, help="simulated for each row")
    parser.add_argument("--images", type=int, default=500, help="test images of each")
    chosen = parser.parse_args()
    print("| coverage, % | seeds | ours | Satterthwaite | bootstrap of seeds and images |")
    print("|---|--:|--:|--:|--:|")
    for name in ("quickstart", "noisy seeds", "unlike nets"):
        population = POPULATIONS[name]
        for seeds in (3, 5, 10):
            random = np.random.default_rng([seeds, chosen.images])
            covered = defaultdict[str, list[bool]](list)
            drawn = scores(
                population,
                nets=2,
                seeds=seeds,
                images=chosen.images,
                studies=chosen.studies,
                random=random,
            )
            for some in drawn:
                for wrong_ksi in mistakes(some, population, [BASE, BASE]):
                    contrast_si = 100 * (wrong_ksi[0].astype(np.float32) - wrong_ksi[1])
                    covered["ours"].append(ours_covers(contrast_si))
                    covered["satterthwaite"].append(satterthwaite_covers(contrast_si))
                    covered["bootstrap"].append(bootstrap_covers(contrast_si, random))
            cells = " | ".join(f"{100 * np.mean(found):.1f}" for found in covered.values())
            print(f"| {name} | {seeds} | {cells} |", flush=True)
    print(f"\n{chosen.studies} studies a row, {chosen.images} images, {RESAMPLES} resamples.")


if __name__ == "__main__":
    main()
