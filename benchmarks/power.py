"""How often each claim of a planned study gets its word, simulated from tuning runs.

    python benchmarks/power.py --runs runs --seeds 200,201,202,203 --looks 3,5

The nets' errors, the spread of their seeds, and how hard test images are come from finished runs
with the seeds that are named, which should not be the study's own. Studies are then drawn from that
population and judged, look by look, by the report's own code.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra import initialize_config_dir
from judged_studies import Study, looking
from numpy.typing import NDArray
from simulated_studies import Population, fit, mistakes, scores

from vgglab import checkout
from vgglab.config.claims import Claim
from vgglab.config.store import register
from vgglab.runs import load_runs
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.verdict import Verdict
from vgglab.workflow.compose import composed_claims


@dataclass(frozen=True)
class Pilot:
    """What tuning runs say of their nets."""

    errors: Mapping[str, float]
    """Net -> mean test error, percent."""
    spreads: Mapping[str, float]
    """Net -> standard deviation of its seeds' errors, percentage points."""
    population: Population
    """Of test images; the seeds' part is in ``spreads``."""
    images: int


def pilot_of(folder: Path, seeds: Sequence[int]) -> Pilot:
    """The nets of the finished runs in a folder, under the centre protocol.

    Raises:
        SystemExit: there are not two nets that all have these seeds.
    """
    reader, found = MistakesReader(), defaultdict[str, list[NDArray[np.bool_]]](list)
    originals_n: NDArray[Any] | None = None
    for run in load_runs(folder):
        if run.config.seed in seeds and (read := reader.mistakes(run, "center", 1)) is not None:
            found[run.config.model.name].append(read.wrong_n)
            originals_n = read.original_n
    nets = {net: np.array(of) for net, of in found.items() if len(of) == len(seeds)}
    if len(nets) < 2 or len(seeds) < 2 or originals_n is None:
        raise SystemExit(f"{folder}: needs two nets with the seeds {seeds}, tested")
    wrong_ksi = np.array([*nets.values()])
    population = fit(wrong_ksi)
    _, counts = np.unique(originals_n, return_counts=True)
    return Pilot(
        errors={net: 100 * float(of.mean()) for net, of in nets.items()},
        spreads={net: 100 * float(of.mean(axis=1).std(ddof=1)) for net, of in nets.items()},
        population=Population(
            difficulty=population.difficulty,
            taste=population.taste,
            shift=0.0,
            per_original=round(float(counts.mean())),
            shared=shared_by_originals(wrong_ksi, originals_n),
        ),
        images=wrong_ksi.shape[2],
    )


def shared_by_originals(wrong_ksi: NDArray[np.bool_], originals_n: NDArray[Any]) -> float:
    """The share of what makes images hard that all images of one original have in common.

    Args:
        wrong_ksi: (nets, seeds, images).
        originals_n: the original of each image.

    Returns:
        Covariance of two images of one original, as a share of that of one image with itself under
        another seed.
    """
    _, group_n = np.unique(originals_n, return_inverse=True)
    size_g = np.bincount(group_n)
    shares = []
    for wrong_si in wrong_ksi.astype(float):
        seeds = len(wrong_si)
        centred_si = wrong_si - wrong_si.mean(axis=1, keepdims=True)
        total_i = centred_si.sum(axis=0)
        # Products of different seeds alone: what a run has by luck is in none of them.
        same = float((total_i**2 - (centred_si**2).sum(axis=0)).sum())
        sum_sg = np.array([np.bincount(group_n, weights=row) for row in centred_si])
        both = float((sum_sg.sum(axis=0) ** 2 - (sum_sg**2).sum(axis=0)).sum()) - same
        pairs_same = len(group_n) * seeds * (seeds - 1)
        pairs_both = float((size_g * (size_g - 1)).sum()) * seeds * (seeds - 1)
        shares.append((both / pairs_both) / (same / pairs_same) if pairs_both else 0.0)
    return float(np.clip(np.mean(shares), 0.0, 1.0))


def words(
    pilot: Pilot,
    claims: Mapping[str, Mapping[str, Any]],
    looks: Sequence[int],
    studies: int,
    *,
    spread: float = 1.0,
) -> tuple[dict[str, Counter[str]], float]:
    """Judge simulated studies.

    Args:
        pilot: what they are drawn from.
        claims: name -> direction, nets and margin in points.
        looks: numbers of seeds.
        studies: how many.
        spread: factor on the seeds' spread.

    Returns:
        Claim -> its words and how often each came, and the mean number of runs.
    """
    nets, random = [*pilot.errors], np.random.default_rng(0)
    study = Study(nets, looks[-1], claims, pilot.population)
    rule = looking(tuple(looks))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    runs = 0
    mean_k1 = np.array([*pilot.errors.values()])[:, None]
    spread_k1 = spread * np.array([*pilot.spreads.values()])[:, None]
    for some in scores(
        pilot.population,
        nets=len(nets),
        seeds=looks[-1],
        images=pilot.images,
        studies=studies,
        random=random,
    ):
        luck_nks = random.standard_normal((len(some), len(nets), looks[-1]))
        error_nks = np.clip(mean_k1 + spread_k1 * luck_nks, 0.1, 90)
        for wrong_ksi in mistakes(some, pilot.population, error_nks):
            study.set(wrong_ksi, np.ones(wrong_ksi.shape[:2], dtype=bool))
            judgements, taken = rule(study)
            runs += taken
            for found in judgements:
                counts[found.comparison.name][str(found.verdict)] += 1
    return counts, runs / studies


def claims_of(asked: Mapping[str, Claim], errors: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Claims on nets as ``Study`` takes them, margins in points; those on other fields are left."""
    found = {}
    for name, claim in asked.items():
        nets = [str(side.get("model.name")) for side in claim.compare]
        if all(len(side) == 1 for side in claim.compare) and set(nets) <= set(errors):
            reference = errors[nets[DIRECTIONS[claim.direction].reference]]
            margin = claim.margin or claim.margin_share / 100 * reference
            found[name] = {"direction": claim.direction, "nets": tuple(nets), "margin": margin}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the tuning runs")
    parser.add_argument("--seeds", required=True, help="of the tuning runs, such as 200,201")
    parser.add_argument("--looks", default="3,5", help="numbers of seeds")
    parser.add_argument("--claims", default="few", help="a group of conf/claims")
    parser.add_argument("--studies", type=int, default=400, help="simulated")
    chosen = parser.parse_args()
    looks = [int(look) for look in chosen.looks.split(",")]
    pilot = pilot_of(chosen.runs, [int(seed) for seed in chosen.seeds.split(",")])
    print("| net | error, % | sd of its seeds |\n|---|--:|--:|")
    for net, error in pilot.errors.items():
        print(f"| {net} | {error:.2f} | {pilot.spreads[net]:.2f} |")
    print(f"\n{pilot.images:,} test images; {pilot.population}\n")
    claims = claims_of(composed_claims([f"claims={chosen.claims}"]), pilot.errors)
    factors = (1.0, 1.5)
    found = {
        factor: words(pilot, claims, looks, chosen.studies, spread=factor) for factor in factors
    }
    print(f"| claim, looks at {chosen.looks} seeds | word, % | seeds 1.5 times as far apart |")
    print("|---|--:|--:|")
    for name in claims:
        cells = [
            ", ".join(
                f"{word} {100 * count / chosen.studies:.0f}"
                for word, count in sorted(found[factor][0][name].items())
                if word != Verdict.INCONCLUSIVE
            )
            for factor in factors
        ]
        print(f"| {name} | {' | '.join(cell or 'none' for cell in cells)} |")
    runs = ", ".join(f"{found[factor][1]:.1f}" for factor in factors)
    print(f"\nMean number of runs of nets with claims: {runs}. {chosen.studies} studies.")


if __name__ == "__main__":
    register()
    checkout.enter(checkout.root())
    with initialize_config_dir(str(checkout.root() / "conf"), version_base="1.3"):
        main()
