"""Error rates of the verdicts: studies with a known truth, judged by the report's own code.

    python benchmarks/calibration.py                     the tables of docs/statistics.md
    python benchmarks/calibration.py --runs runs         noise fitted to finished runs of yours

Every study is drawn from a population (simulated_studies), so that the truth is known; its
verdicts are those of the report's own functions, before Holm's correction unless a column says so.
Beside them, on the same studies, what is often done instead.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats
from simulated_studies import Population, fit, mistakes, scores

from vgglab.runs import load_runs
from vgglab.study.claims.contrast import Measured, image_variance
from vgglab.study.claims.directions import equal_tests, lower_tests, trend_tests, trend_weights
from vgglab.study.claims.inference import ALPHA, holm
from vgglab.study.claims.mistakes import MistakesReader

POPULATIONS = {
    # fit() of A, A-LRN, B, C, D, E with seeds 0, 1, 2: the README's quickstart study
    "quickstart": Population(difficulty=1.81, taste=0.0, shift=0.029),
    # the same nets under an earlier recipe, the errors of a net's seeds 1 to 4 points apart
    "noisy seeds": Population(difficulty=1.65, taste=0.24, shift=0.12),
    # nets that find other images hard, their seeds alike: what the test images hold then matters
    "unlike nets": Population(difficulty=1.5, taste=0.8, shift=0.029),
    # noisy seeds, one in some going badly wrong, as E's seed 1 did in the quickstart study
    "heavy tails": Population(difficulty=1.65, taste=0.24, shift=0.12, degrees=3),
}
BASE = 10.0
"""Error of the better net, percent: that of the quickstart's nets."""
EFFECTS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""True differences, percentage points."""
MARGINS = (0.5, 1.0, 2.0)
"""Margins of the equivalence claims, percentage points."""
SEEDS = (3, 5, 10)

Counts = dict[str, list[bool]]


def measured(wrong_ksi: NDArray[np.bool_], weights: Sequence[float]) -> Measured:
    """A contrast of one simulated study, as ``vgglab.study.claims.pairing`` would measure it."""
    contrast_si = 100 * np.tensordot(
        np.asarray(weights, dtype=np.float32), wrong_ksi[: len(weights)].astype(np.float32), axes=1
    )
    by_seed = tuple(float(v) for v in contrast_si.mean(axis=1))
    return Measured(by_seed, float(image_variance(contrast_si)), contrast_si.shape[1], paired=True)


def covers(found: Measured, truth: float) -> bool:
    """Whether the 95% interval has the truth in it."""
    return 2 * min(found.p_below(truth), found.p_above(truth)) > ALPHA


def single_seed(wrong_ksi: NDArray[np.bool_]) -> bool:
    """Seed 0 alone: the first net has the lower error."""
    return bool(wrong_ksi[0, 0].sum() < wrong_ksi[1, 0].sum())


def standard_errors(wrong_ksi: NDArray[np.bool_]) -> bool:
    """Mean +- standard error over seeds of the two do not overlap."""
    error_ks = wrong_ksi[:2].mean(axis=2)
    mean, se = error_ks.mean(axis=1), error_ks.std(axis=1, ddof=1) / np.sqrt(error_ks.shape[1])
    return bool(mean[0] + se[0] < mean[1] - se[1])


def mcnemar(wrong_ksi: NDArray[np.bool_]) -> bool:
    """McNemar's test on the pair of seed 0, two-sided at 5%, in the right direction."""
    better = int((~wrong_ksi[0, 0] & wrong_ksi[1, 0]).sum())
    worse = int((wrong_ksi[0, 0] & ~wrong_ksi[1, 0]).sum())
    p = 2 * float(special.bdtr(min(better, worse), better + worse, 0.5))
    return bool(better > worse and p <= ALPHA)


def paired_t(wrong_ksi: NDArray[np.bool_]) -> bool:
    """Student's paired t over seeds, two-sided at 5%: takes the test images as all there are."""
    difference_s = wrong_ksi[0].mean(axis=1) - wrong_ksi[1].mean(axis=1)
    se = difference_s.std(ddof=1) / np.sqrt(len(difference_s))
    bound = stats.t.isf(ALPHA / 2, len(difference_s) - 1)
    return bool(difference_s.mean() < -bound * se)


NAIVE: dict[str, Callable[[NDArray[np.bool_]], bool]] = {
    "one seed": single_seed,
    "standard errors apart": standard_errors,
    "McNemar, one pair": mcnemar,
    "paired t over seeds": paired_t,
}


def judge_nil(wrong_ksi: NDArray[np.bool_], counts: Counts) -> None:
    """Four nets of equal error: whatever is supported is false."""
    steps = [measured(wrong_ksi, [0.0] * k + [1, -1]) for k in range(3)]
    trend = measured(wrong_ksi, trend_weights(4))
    tests = [lower_tests([step], 0.0) for step in steps]
    tests.append(trend_tests(trend, [], 0.0))
    either = lower_tests([measured(wrong_ksi, [1, -1]), measured(wrong_ksi, [1, 0, -1])], 0.0)
    counts["lower"].append(tests[0].supports <= ALPHA)
    counts["lower than both"].append(either.supports <= ALPHA)
    counts["falls"].append(tests[3].supports <= ALPHA)
    p = np.array([min(test.supports, test.contradicts) for test in tests])
    counts["any of 4, Holm"].append(bool(holm(p).min() <= ALPHA))
    for name, rule in NAIVE.items():
        counts[name].append(rule(wrong_ksi))


def judge_pair(wrong_ksi: NDArray[np.bool_], effect: float, counts: Counts) -> None:
    """Judge two nets whose difference is ``-effect``: coverage, power and false equivalence.

    Args:
        wrong_ksi: (nets, seeds, images), where each is wrong.
        effect: percentage points.
        counts: what happened is added to it.
    """
    found = measured(wrong_ksi, [1, -1])
    counts[f"covers {effect:g}"].append(covers(found, -effect))
    counts[f"lower {effect:g}"].append(lower_tests([found], 0.0).supports <= ALPHA)
    for margin in MARGINS:
        if effect in (0.0, margin):
            supported = equal_tests(found, margin).supports <= ALPHA
            counts[f"equal {margin:g} at {effect:g}"].append(supported)


def simulate(population: Population, seeds: int, images: int, studies: int) -> dict[str, float]:
    """Judge simulated studies.

    Args:
        population: what they are drawn from.
        seeds: of each net.
        images: test images of a study.
        studies: to simulate.

    Returns:
        What can happen -> share of the studies in which it did, percent.
    """
    random = np.random.default_rng([seeds, images])
    counts: Counts = defaultdict(list)
    exact = np.isinf(population.degrees)
    drawn = scores(population, nets=4, seeds=seeds, images=images, studies=studies, random=random)
    for some in drawn:
        for wrong_ksi in mistakes(some, population, [BASE] * 4):
            judge_nil(wrong_ksi, counts)
        for effect in EFFECTS if exact else EFFECTS[:1]:
            for wrong_ksi in mistakes(some[:, :2], population, [BASE, BASE + effect]):
                judge_pair(wrong_ksi, effect, counts)
    return {name: 100 * float(np.mean(happened)) for name, happened in counts.items()}


def fitted(folder: Path) -> Population:
    """The population of the finished runs in a folder, under the centre protocol."""
    reader, by_net = MistakesReader(), defaultdict[str, dict[int, NDArray[np.bool_]]](dict)
    for run in load_runs(folder):
        found = reader.mistakes(run, "center", 1)
        if found is not None:
            net = f"{run.config.model.name} {run.config.norm.name}"
            by_net[net][run.config.seed] = found.wrong_n
    seeds = set.intersection(*(set(of_net) for of_net in by_net.values())) if by_net else set()
    if len(seeds) < 2 or len(by_net) < 2:
        raise SystemExit(f"{folder}: needs two nets with two seeds each, with predictions")
    return fit(np.array([[of_net[s] for s in sorted(seeds)] for of_net in by_net.values()]))


def table(title: str, rows: Sequence[str], results: dict[int, dict[str, float]]) -> None:
    """Print a table of percentages as Markdown.

    Args:
        title: of the first column.
        rows: names of what is counted.
        results: number of seeds -> row -> percent; a column each.
    """
    print(f"\n| {title} | " + " | ".join(f"{seeds} seeds" for seeds in results) + " |")
    print("|---" * (1 + len(results)) + "|")
    for row in rows:
        if not any(row in of for of in results.values()):
            continue
        cells = [f"{of[row]:.1f}" if row in of else "" for of in results.values()]
        print(f"| {row} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=Path, help="fit the noise to the finished runs in here")
    parser.add_argument("--studies", type=int, default=2000, help="simulated for each column")
    parser.add_argument("--images", type=int, default=4000, help="test images of each")
    chosen = parser.parse_args()
    populations = {"fitted": fitted(chosen.runs)} if chosen.runs else POPULATIONS
    for name, population in populations.items():
        print(f"\n### {name}: {population}")
        results = {s: simulate(population, s, chosen.images, chosen.studies) for s in SEEDS}
        ours = ["lower", "lower than both", "falls", "any of 4, Holm"]
        ours += [f"equal {m:g} at {m:g}" for m in MARGINS]
        table("false verdicts, %", [*ours, *NAIVE], results)
        table("coverage of 95% intervals, %", [f"covers {e:g}" for e in EFFECTS], results)
        power = [f"lower {e:g}" for e in EFFECTS[1:]] + [f"equal {m:g} at 0" for m in MARGINS]
        table("power, %", power, results)
    chance = 100 * np.sqrt(0.05 * 0.95 / chosen.studies)
    print(f"\n{chosen.studies} studies a column: standard error {chance:.1f} at 5 or 95%.")
    print(f"Base error {BASE:g}%, {chosen.images} images; {time.process_time():.0f} s of one core.")


if __name__ == "__main__":
    main()
