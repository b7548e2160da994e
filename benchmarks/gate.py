"""A greedy search that asks a hundred times: how often does it keep a change that is none?

    python benchmarks/gate.py                     the tables of docs/gate.md

Each candidate is compared with the baseline and takes its place when it is kept. In truth all are
equal but in one world, so that every kept change is a false one. The gate's words are those of
``vgglab.study.gate``, on the pairing and the tests of claims.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from simulated_studies import Population

from vgglab.study.claims.contrast import sums_of_originals
from vgglab.study.claims.evidence import CLAIMED
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.pairing import Cell, Paired
from vgglab.study.claims.power import Noise, chance, seeds_to_show
from vgglab.study.claims.spending import FIRST_SHARE
from vgglab.study.gate import EXPONENT, LOWER, Place, Word, share_of, word_of

ERROR, SPREAD = 10.0, 0.3
"""Mean error of a net, percent, and the standard deviation of its seeds, percentage points."""


@dataclass(frozen=True)
class World:
    """What the runs of a search are drawn from; in truth every net has the same error."""

    seeds: int
    """Of each arm."""
    shared: float = 0.0
    """Share of the seeds' variance that nets with one seed have in common; above 0: paired."""
    more: int = 0
    """Further seeds of a candidate that looks better (p < 0.2), with which it is asked again."""
    images: int = 0
    """Test images, on which nets have tastes of their own; 0: the seeds are all that varies."""
    every: int = 0
    """Each so-manieth candidate is better than the baseline of the moment, by three standard
    deviations; 0: none is."""


TASTES = Population(difficulty=1.5, taste=0.8, shift=0.029)
"""``UNLIKE`` of ``calibration.py``: nets find other images hard, and their seeds are alike."""


@dataclass(frozen=True)
class Arm:
    """One net's runs: its errors, percent, and where they are known its mistakes."""

    errors_s: NDArray[np.float64]
    wrong_si: NDArray[np.bool_] | None = None

    def first(self, seeds: int) -> Arm:
        """The same with its first so many seeds."""
        wrong_si = None if self.wrong_si is None else self.wrong_si[:seeds]
        return Arm(self.errors_s[:seeds], wrong_si)


class Search:
    """Arms of one search, drawn one after the other."""

    def __init__(self, world: World, random: np.random.Generator) -> None:
        self.world, self._random = world, random
        self._most = world.seeds + world.more
        self._of_seed_s = random.standard_normal(self._most)
        self._difficulty_i = TASTES.difficulty * random.standard_normal(world.images)

    def arm(self) -> Arm:
        """A net with the error of all others, under all seeds that it may get."""
        world, random = self.world, self._random
        if not world.images:
            own_s = random.standard_normal(self._most)
            noise_s = np.sqrt(world.shared) * self._of_seed_s + np.sqrt(1 - world.shared) * own_s
            return Arm(ERROR + SPREAD * noise_s)
        score_si = random.standard_normal((self._most, world.images))
        score_si += self._difficulty_i + TASTES.taste * random.standard_normal(world.images)
        score_si += TASTES.shift * random.standard_normal((self._most, 1))
        wrong_si = score_si > -TASTES.spread * scipy.stats.norm.ppf(ERROR / 100)
        return Arm(100.0 * wrong_si.mean(axis=1), wrong_si)


Keeps = Callable[[World, Arm, Arm, Place], bool]
"""Whether a candidate is kept, at its place: (world, candidate, baseline, place)."""


def by_gate(world: World, candidate: Arm, baseline: Arm, place: Place) -> bool:
    """The gate's word is to keep."""
    if not by_mean(world, candidate, baseline, place):
        return False  # nothing is shown to be lower that is not
    evidence = LOWER.evidence(paired_of(world, candidate, baseline), 0.0)
    return word_of(evidence, place) is Word.KEEP


def by_t_test(world: World, candidate: Arm, baseline: Arm, place: Place) -> bool:
    """p < 0.05 each time, of seeds alone."""
    return p_of_seeds(world, candidate, baseline) < ALPHA


def by_mean(world: World, candidate: Arm, baseline: Arm, place: Place) -> bool:
    """The mean is lower."""
    return bool(candidate.errors_s.mean() < baseline.errors_s.mean())


def paired_of(world: World, candidate: Arm, baseline: Arm) -> Paired:
    """The errors of two arms as the claims' code takes them."""
    originals_i = np.arange(world.images)
    cells = tuple(
        Cell(
            side=side,
            average=0,
            weights="the same" if world.shared or world.images else side,
            seeds=tuple(range(len(arm.errors_s))),
            untrained=(),
            errors_s=arm.errors_s,
            sums_so=(
                None
                if arm.wrong_si is None
                else sums_of_originals(100.0 * arm.wrong_si, originals_i)
            ),
        )
        for side, arm in enumerate((candidate, baseline))
    )
    return Paired(cells, sides=2, waiting=(), places=(0.0, 1.0), images=world.images or None)


def p_of_seeds(world: World, candidate: Arm, baseline: Arm) -> float:
    """One-sided p-value of a t-test over seeds, paired where nets share them, else Welch's."""
    ours, theirs = candidate.errors_s, baseline.errors_s
    if (world.shared or world.images) and len(ours) == len(theirs):
        ours, theirs = ours - theirs, np.zeros(1)
    parts = [values.var(ddof=1) / len(values) for values in (ours, theirs) if len(values) > 1]
    counts = [len(values) - 1 for values in (ours, theirs) if len(values) > 1]
    freedom = sum(parts) ** 2 / sum(v**2 / n for v, n in zip(parts, counts, strict=True))
    t = (ours.mean() - theirs.mean()) / np.sqrt(sum(parts))
    return float(scipy.special.stdtr(freedom, t))


def keeps_any(world: World, keeps: Keeps, asks: int, random: np.random.Generator) -> bool:
    """Whether a search keeps at least one of so many candidates that change nothing.

    A kept candidate becomes the baseline, and what follows changes that one. What it does after its
    first false change is of no account.

    Args:
        world: what the runs are drawn from.
        keeps: how it decides.
        asks: candidates.
        random: source of the numbers.
    """
    search = Search(world, random)
    baseline, gained = search.arm(), 0.0
    for question in range(1, asks + 1):
        gain = 3 * SPREAD if world.every and question % world.every == 0 else 0.0
        drawn = search.arm()
        candidate = Arm(drawn.errors_s - gained - gain, drawn.wrong_si)
        few = candidate.first(world.seeds)
        is_kept = keeps(world, few, baseline, Place(question, 1))
        if not is_kept and world.more and p_of_seeds(world, few, baseline) < 0.2:
            is_kept = keeps(world, candidate, baseline, Place(question, 2))
        if is_kept and not gain:
            return True
        if is_kept:
            baseline, gained = few, gained + gain
    return False


def false_searches(world: World, keeps: Keeps, *, searches: int, asks: int) -> float:
    """Share of searches that keep a false change; every way of keeping sees the same ones.

    Args:
        world: what the runs are drawn from.
        keeps: how they decide.
        searches: to simulate.
        asks: candidates of each.
    """
    found = [keeps_any(world, keeps, asks, np.random.default_rng(n)) for n in range(searches)]
    return float(np.mean(found))


def power(seeds: int, question: int, searches: int, *, shared: float = 0.0) -> float:
    """Share of candidates better by two standard deviations that the gate keeps when first asked.

    Args:
        seeds: of each arm.
        question: number of the question.
        searches: candidates to simulate.
        shared: as in ``World``.
    """
    world, random = World(seeds, shared), np.random.default_rng(question)
    kept = 0
    for _ in range(searches):
        search = Search(world, random)
        baseline, candidate = search.arm(), search.arm()
        better = Arm(candidate.errors_s - 2 * SPREAD)
        kept += by_gate(world, better, baseline, Place(question, 1))
    return kept / searches


def level_of(question: int, exponent: float) -> float:
    """One-sided level at which the first look at a question keeps."""
    share = question**-exponent / scipy.special.zeta(exponent)
    return float(ALPHA * share * CLAIMED * FIRST_SHARE)


WORLDS = {
    "5 seeds, no pairs": World(5),
    "5 seeds, pairs that share half of their noise": World(5, shared=0.5),
    "3 seeds, and 4 more for what looks better": World(3, more=4),
    "5 seeds, 1,000 test images, tastes of nets": World(5, images=1000),
    "8 seeds, every tenth candidate truly better by 3 SD": World(8, every=10),
}
QUESTIONS = (1, 10, 100)
UNPAIRED = Noise(seed_sd=float(np.sqrt(2)) * SPREAD, image_se=0.0, samples=2.0)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--asks", type=int, default=100)
    chosen = parser.parse_args()
    print("| searches that keep a false change, % | gate | p < 0.05 | lower mean |")
    print("|---|--:|--:|--:|")
    for name, world in WORLDS.items():
        rates = [
            false_searches(world, keeps, searches=chosen.searches, asks=chosen.asks)
            for keeps in (by_gate, by_t_test, by_mean)
        ]
        row(name, [f"{100 * rate:.1f}" for rate in rates])
    heads = " | ".join(f"question {question}" for question in QUESTIONS)
    print(f"\n| better by 2 SD: kept when first asked, % | {heads} |\n|---|--:|--:|--:|")
    for seeds in (5, 8, 12):
        for shared, how in ((0.0, "no pairs"), (0.5, "pairs")):
            found = [power(seeds, q, chosen.searches, shared=shared) for q in QUESTIONS]
            row(f"{seeds} seeds, {how}", [f"{100 * rate:.0f}" for rate in found])
    print(f"\n| exponent: level, %; chance of 8 seeds, %; seeds for 80% | {heads} |")
    print("|---|--:|--:|--:|")
    for exponent in (2.0, EXPONENT, 1.1):
        row(f"{exponent:g}", [_of_exponent(exponent, question) for question in QUESTIONS])
    print(
        f"\n{chosen.searches} searches of {chosen.asks} asks a cell; share_of(100) is "
        f"{100 * share_of(100):.3f}%."
    )


def _of_exponent(exponent: float, question: int) -> str:
    level = level_of(question, exponent)
    many = seeds_to_show(UNPAIRED, 2 * SPREAD, level)
    return f"{100 * level:.2g}; {100 * chance(UNPAIRED, 2 * SPREAD, 8, level):.0f}; {many}"


def row(name: str, cells: Sequence[str]) -> None:
    """Print a row of Markdown."""
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
