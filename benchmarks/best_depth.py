"""How sure the best depth is: curves with a known truth, judged by the report's own code.

    python benchmarks/best_depth.py                 the tables of docs/statistics.md

Each study draws test images that nets find hard together and apart, luck on them, and seeds whose
errors vary more the deeper the net (simulated_studies).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from judged_studies import Study, looking
from numpy.typing import NDArray
from simulated_studies import Population, mistakes, scores

from vgglab.config.claims import BestPlace
from vgglab.study.claims.best import Best, best_of
from vgglab.study.claims.best_at import BestAt
from vgglab.study.claims.contrast import sums_of_originals
from vgglab.study.claims.curve import Parabola, is_off, lowest_ends
from vgglab.study.claims.evidence import OneSided
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.pairing import Cell, Paired
from vgglab.study.claims.verdict import Judgement, Verdict

FOUR, EIGHT = (11.0, 13.0, 16.0, 19.0), (9.0, 11.0, 13.0, 15.0, 17.0, 19.0, 22.0, 25.0)
SEEDS = (3, 5, 8)
NETS, LOOKS = ("a", "b", "d", "e"), (3, 5, 8)
"""The paper's nets on the four depths, and the seeds at which a study is looked at."""
CLAIMS = {"deep": {"at_or_beyond": 16}, "shallow": {"at_or_below": 13}, "one": {"at": 16}}
"""Asked together under looks."""
IMAGES = 1000
RESAMPLES = 200


@dataclass(frozen=True)
class Noise:
    """What varies the errors of nets of one depth."""

    population: Population
    spread: tuple[float, float]
    """Standard deviation of a seed's error, points: of the shallowest net and of the deepest."""


NOISY = Noise(Population(difficulty=1.5, taste=0.8, shift=0.0), (0.4, 1.0))
LUCK = Noise(Population(difficulty=1.81, taste=0.0, shift=0.0), (0.0, 0.0))


@dataclass(frozen=True)
class Truth:
    """Expected errors at some depths, and where they are least."""

    places: tuple[float, ...]
    errors: tuple[float, ...]
    lowest: float | None = None
    """Where the parabola is lowest that they lie on; None: they lie on none, or it is flat."""
    noise: Noise = NOISY

    @property
    def best(self) -> list[float]:
        """The places with the least error."""
        return [p for p, e in zip(self.places, self.errors, strict=True) if e == min(self.errors)]


def parabola(places: Sequence[float], lowest: float, rise: float) -> tuple[float, ...]:
    """Errors of at least 11 %.

    Args:
        places: to give the errors at.
        lowest: where a parabola in the logarithm has its lowest point.
        rise: points from there to the furthest place.
    """
    away = (np.log(places) - np.log(lowest)) ** 2
    return tuple(float(value) for value in 11 + rise * away / away.max())


TRUTHS = {
    "4 depths, lowest at 15": Truth(FOUR, parabola(FOUR, 15, 3), 15),
    "4 depths, lowest at 19": Truth(FOUR, parabola(FOUR, 19, 4), 19),
    "4 depths, lowest at 25": Truth(FOUR, parabola(FOUR, 25, 5), 25),
    "4 depths, lowest at 11": Truth(FOUR, parabola(FOUR, 11, 4), 11),
    "4 depths, flat": Truth(FOUR, (12.0,) * 4),
    "4 depths, 16 and 19 equal": Truth(FOUR, (16.0, 13.0, 12.0, 12.0)),
    "8 depths, lowest at 15": Truth(EIGHT, parabola(EIGHT, 15, 5), 15),
    "8 depths, flat": Truth(EIGHT, (12.0,) * 8),
    "8 depths, 15 and 17 equal, then a cliff": Truth(
        EIGHT, (14.0, 12.5, 11.5, 11.0, 11.0, 12.0, 20.0, 40.0)
    ),
    "8 depths, steep, then slow to 19": Truth(
        EIGHT, (16.0, 14.0, 12.0, 11.7, 11.4, 11.2, 11.5, 12.5)
    ),
    "4 depths, lowest at 15, luck alone": Truth(FOUR, parabola(FOUR, 15, 3), 15, LUCK),
    "4 depths, flat, luck alone": Truth(FOUR, (12.0,) * 4, None, LUCK),
}


def studies(truth: Truth, seeds: int, count: int) -> Iterator[NDArray[np.bool_]]:
    """Simulated studies: (nets, seeds, images), where each run is wrong.

    Args:
        truth: that they are drawn from.
        seeds: of each net.
        count: how many.
    """
    random = np.random.default_rng([seeds, len(truth.places), int(10 * sum(truth.errors))])
    nets = len(truth.places)
    spread_k = np.linspace(*truth.noise.spread, nets)
    drawn = scores(
        truth.noise.population,
        nets=nets,
        seeds=seeds,
        images=IMAGES,
        studies=count,
        random=random,
    )
    for some in drawn:
        noise_nks = spread_k[:, None] * random.standard_normal((len(some), nets, seeds))
        error_nks = np.asarray(truth.errors)[:, None] + noise_nks
        yield from mistakes(some, truth.noise.population, error_nks)


def as_paired(wrong_ksi: NDArray[np.bool_], places: tuple[float, ...]) -> Paired:
    """The errors of nets at these places, each with weights of its own."""
    nets, seeds, images = wrong_ksi.shape
    cells = tuple(
        Cell(
            side=k,
            average=0,
            weights=k,
            seeds=tuple(range(seeds)),
            untrained=(),
            errors_s=100.0 * wrong_ksi[k].mean(axis=1),
            sums_so=sums_of_originals(100.0 * wrong_ksi[k], np.arange(images)),
        )
        for k in range(nets)
    )
    return Paired(cells, nets, (), places, images).condensed()


@dataclass
class Found:
    """What happens in studies of one truth, shares in percent."""

    covers: float
    """The places that may be the best hold the true one; of several each counts."""
    kept: float
    """Mean number of places that may be the best."""
    right: float
    """A true claim, at the best and at most one place beside it, is supported."""
    false: float
    """That claim is contradicted, or one of another place, or of one among equals, supported."""
    curve_covers: float | None
    """Where the curve may be lowest holds the true place, of studies that have a curve."""
    has_curve: float
    """No error is shown to lie off the parabola."""


def rates(truth: Truth, seeds: int, count: int) -> Found:
    """Fit and judge simulated studies.

    Args:
        truth: that they are drawn from.
        seeds: of each net.
        count: how many.
    """
    shape, best = Parabola(truth.places), truth.best
    covers, kept, right, false, curve_covers, has_curve = [], [], [], [], [], []
    for wrong_ksi in studies(truth, seeds, count):
        paired = as_paired(wrong_ksi, truth.places)
        found = best_of(paired)
        assert found is not None
        may_be = found.may_be(ALPHA)
        covers.append(np.mean([place in may_be for place in best]))
        kept.append(len(may_be))
        words = words_of(truth, found)
        right.append(words[0])
        false.append(words[1])
        has_curve.append(not is_off(paired, shape, ALPHA))
        if has_curve[-1]:
            curve_covers.append(curve_hits(truth, paired, shape))
    return Found(
        covers=100 * float(np.mean(covers)),
        kept=float(np.mean(kept)),
        right=100 * float(np.mean(right)),
        false=100 * float(np.mean(false)),
        curve_covers=100 * float(np.mean(curve_covers)) if curve_covers else None,
        has_curve=100 * float(np.mean(has_curve)),
    )


def curve_hits(truth: Truth, paired: Paired, shape: Parabola) -> bool:
    """Whether the interval of the curve's lowest place holds the true one.

    A flat curve has it everywhere: the middle is asked for. One that is lowest beyond what was
    tried is held by an interval that is open there.

    Args:
        truth: that the study was drawn from.
        paired: the errors of its nets.
        shape: the parabola on their places.
    """
    first, last = truth.places[0], truth.places[-1]
    flat = len(truth.best) == len(truth.places)
    place = truth.lowest or (15.0 if flat else float(np.mean(truth.best)))
    ends = lowest_ends(paired, shape)
    return ends[0] <= min(max(place, first), last) <= ends[1]


def words_of(truth: Truth, found: Best) -> tuple[bool, bool]:
    """Whether a true claim is supported, and whether any word is false."""
    best, places = truth.best, truth.places
    at = places.index(best[0])
    if places[-1] in best:
        true_claim = BestPlace(at_or_beyond=places[max(at - 1, 0)])
    elif places[0] in best:
        true_claim = BestPlace(at_or_below=places[places.index(best[-1]) + 1])
    else:
        true_claim = BestPlace(at=best[0])
    margin = places[at] - places[at - 1] if true_claim.at is not None else 0.0
    supports, contradicts = tests(true_claim, found, margin)
    other = places[at - 1] if at else places[at + 1]
    supports_other, _ = tests(BestPlace(at=other), found, 0.0)
    false = contradicts or supports_other
    if len(best) > 1:
        false = any(tests(BestPlace(at=best[len(best) // 2 - 1]), found, 0.0)) or contradicts
    return supports, false


def tests(claimed: BestPlace, found: Best, margin: float) -> tuple[bool, bool]:
    """Whether a claim by itself is supported, and whether it is contradicted."""
    evidence = BestAt(claimed).tested(found, margin)
    return is_shown(evidence.supports), is_shown(evidence.contradicts)


def is_shown(test: OneSided) -> bool:
    return test.p_value * test.factor <= ALPHA


@dataclass
class Looked:
    """What happens in studies under declared looks, shares in percent."""

    false: float
    """Studies with any false word."""
    settled: float
    """Claims that got a word."""
    runs: float
    """Mean number of runs trained."""


def under_looks(truth: Truth, count: int) -> Looked:
    """Ask claims together under declared looks, through the code that judges a real study.

    Supported is false where any of the places with the least error lies outside of what is
    claimed, contradicted where any lies within.

    Args:
        truth: on the places of ``NETS``, that the studies are drawn from.
        count: how many.
    """
    claims = {
        name: {"direction": "best_at", "nets": NETS, "best": best} for name, best in CLAIMS.items()
    }
    study = Study(NETS, LOOKS[-1], claims, truth.noise.population)
    trained_ks = np.ones((len(NETS), LOOKS[-1]), dtype=np.bool_)
    false, settled, runs = [], [], []
    for wrong_ksi in studies(truth, LOOKS[-1], count):
        study.set(wrong_ksi, trained_ks)
        found, trained = looking(LOOKS)(study)
        false.append(any(is_false(truth, judgement) for judgement in found))
        settled += [judgement.is_settled for judgement in found]
        runs.append(trained)
    return Looked(100 * float(np.mean(false)), 100 * float(np.mean(settled)), float(np.mean(runs)))


def is_false(truth: Truth, found: Judgement) -> bool:
    """Whether the word on a claim is false."""
    claimed = BestPlace(**CLAIMS[found.comparison.name])
    within = [
        (claimed.at is None or place == claimed.at)
        and (claimed.at_or_beyond is None or place >= claimed.at_or_beyond)
        and (claimed.at_or_below is None or place <= claimed.at_or_below)
        for place in truth.best
    ]
    match found.verdict:
        case Verdict.SUPPORTED:
            return not all(within)
        case Verdict.CONTRADICTED:
            return any(within)
        case Verdict.INCONCLUSIVE:
            return False


def bootstrap_covers(
    truth: Truth, wrong_ksi: NDArray[np.bool_], random: np.random.Generator
) -> float:
    """Whether the usual interval has the best: percentiles over resampled seeds and images."""
    nets, seeds, images = wrong_ksi.shape
    found = []
    for _ in range(RESAMPLES):
        weight_i = np.bincount(random.integers(0, images, images), minlength=images)
        error_ks = wrong_ksi @ weight_i
        chosen_ks = random.integers(0, seeds, (nets, seeds))
        found.append(int(np.take_along_axis(error_ks, chosen_ks, axis=1).mean(axis=1).argmin()))
    low, high = np.percentile(found, [2.5, 97.5], method="nearest")
    return float(np.mean([low <= truth.places.index(place) <= high for place in truth.best]))


def _looked(name: str, studies: int) -> Looked:
    found = under_looks(TRUTHS[name], studies)
    print(f"{name}, looks: {found}", file=sys.stderr, flush=True)
    return found


def _cell(cell: tuple[str, int], studies: int) -> Found:
    name, seeds = cell
    found = rates(TRUTHS[name], seeds, studies)
    print(f"{name}, {seeds} seeds: {found}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=600, help="simulated for each cell")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    chosen = parser.parse_args()
    # The longest first.
    cells = sorted(
        ((name, seeds) for name in TRUTHS for seeds in SEEDS),
        key=lambda cell: -len(TRUTHS[cell[0]].places),
    )
    with ProcessPoolExecutor(chosen.jobs) as pool:
        done = dict(zip(cells, pool.map(_cell, cells, [chosen.studies] * len(cells)), strict=True))
        four = [name for name, truth in TRUTHS.items() if truth.places == FOUR]
        looked = dict(
            zip(four, pool.map(_looked, four, [chosen.studies // 3] * len(four)), strict=True)
        )
    found = {name: [done[name, seeds] for seeds in SEEDS] for name in TRUTHS}
    heads = " | ".join(f"{seeds} seeds" for seeds in SEEDS)
    print(f"\n| the best is in, %; places left | {heads} |\n|---|--:|--:|--:|")
    for name, row_cells in found.items():
        row(name, [f"{c.covers:.1f}; {c.kept:.1f}" for c in row_cells])
    print(f"\n| curve: its lowest is in, %; drawn, % | {heads} |\n|---|--:|--:|--:|")
    for name, row_cells in found.items():
        row(
            name,
            [
                f"{'' if c.curve_covers is None else f'{c.curve_covers:.1f}'}; {c.has_curve:.0f}"
                for c in row_cells
            ],
        )
    print(f"\n| a true claim supported, %; any false word, % | {heads} |\n|---|--:|--:|--:|")
    for name, row_cells in found.items():
        row(name, [f"{c.right:.1f}; {c.false:.1f}" for c in row_cells])
    seeds_looked = ", ".join(map(str, LOOKS))
    print(
        f"\n| three claims, looks at {seeds_looked} seeds | any false word, % "
        "| claims settled, % | runs of 32 |\n|---|--:|--:|--:|"
    )
    for name, under in looked.items():
        row(name, [f"{under.false:.1f}", f"{under.settled:.1f}", f"{under.runs:.1f}"])
    print(f"\n| bootstrap: the best is in, % | {heads} |\n|---|--:|--:|--:|")
    for name in ("4 depths, lowest at 15", "4 depths, flat", "4 depths, 16 and 19 equal"):
        random, truth = np.random.default_rng(0), TRUTHS[name]
        row(
            name,
            [
                f"{100 * np.mean([bootstrap_covers(truth, w, random) for w in drawn]):.1f}"
                for drawn in (studies(truth, seeds, chosen.studies // 3) for seeds in SEEDS)
            ],
        )
    spent = os.times()
    seconds = spent.user + spent.system + spent.children_user + spent.children_system
    print(
        f"\n{chosen.studies} studies a cell, a third under looks and with the bootstrap; "
        f"{seconds:.0f} s of a core."
    )


def row(name: str, cells: Sequence[str]) -> None:
    """Print a row of Markdown."""
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
