"""Error rates of the verdicts: studies with a known truth, judged by the report's own code.

    python benchmarks/calibration.py                     the tables of docs/statistics.md
    python benchmarks/calibration.py --runs runs         noise fitted to finished runs of yours

Every study is drawn from a population (simulated_studies), so that the truth is known; its words
are those of ``vgglab.study.claims.verdict.judged``, looks and corrections included.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from judged_studies import Study, Truth, fixed, looking, until_a_word
from numpy.typing import NDArray
from scipy import special, stats
from simulated_studies import Population, fit, mistakes, scores

from vgglab.runs import load_runs
from vgglab.study.claims.contrast import Group, Measured
from vgglab.study.claims.evidence import OTHER
from vgglab.study.claims.inference import ALPHA, holm
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.verdict import Judgement, judged

QUICKSTART = Population(difficulty=1.81, taste=0.0, shift=0.029)
"""fit() of A, A-LRN, B, C, D, E with seeds 0, 1, 2: the quickstart study of early November 2026."""
NOISY = Population(difficulty=1.65, taste=0.24, shift=0.12)
"""The same nets under an earlier recipe, the errors of a net's seeds 1 to 4 points apart."""
UNLIKE = Population(difficulty=1.5, taste=0.8, shift=0.029)
"""Nets that find other images hard, their seeds alike: what the test images hold then matters."""

EQUAL = dict.fromkeys(("a", "a_lrn", "b", "c", "d", "e"), 10.0)
MARGINS = {"a": 10.0, "a_lrn": 9.5, "b": 11.0, "c": 10.0, "d": 10.0, "e": 9.5}
"""Every claim on the edge of what it allows."""
RISES = {"a": 16.0, "a_lrn": 16.0, "b": 13.0, "c": 13.0, "d": 10.0, "e": 11.5}
POINT = {"a": 14.0, "a_lrn": 13.0, "b": 13.0, "c": 12.0, "d": 11.0, "e": 10.0}
"""Five differences of one point, the claims of ``ONE_POINT``."""

_LOWER = (("a_lrn", "a"), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"))
ONE_POINT = {f"{x}_{y}": {"direction": "lower", "nets": (x, y)} for x, y in _LOWER}
FAMILY: dict[str, dict[str, Any]] = {
    "lrn": {"direction": "no_better", "nets": ("a_lrn", "a"), "margin": 0.5},
    "depth": {"direction": "falls", "nets": ("a", "b", "d", "e"), "margin": 0.8},
    "same": {"direction": "equal", "nets": ("c", "b"), "margin": 1.0},
    "d_c": {"direction": "lower", "nets": ("d", "c")},
    "e_d": {"direction": "lower", "nets": ("e", "d")},
    "saturation": {"direction": "no_better", "nets": ("e", "d"), "margin": 0.5},
}
LOOKS = (3, 5, 8, 12, 20)
ADDED = (3, 4, 5, 6, 8, 10, 14, 20)
"""Seeds at which somebody looks who adds seeds until a word comes."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Studies of one kind."""

    population: Population
    errors: Mapping[str, float]
    """Expected error of each net's runs that train, percent."""
    images: int = 4000
    fails: float = 0.0
    """Chance that a run of E does not train."""
    jumps: float = 0.0
    """Points by which a tenth of E's runs are worse; the truth then is of the others."""
    seeds: tuple[int, ...] = (3, 5, 10)
    claims: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=lambda: FAMILY)


SCENARIOS = {
    "equal nets, quickstart": Scenario(QUICKSTART, EQUAL),
    "equal nets, noisy seeds": Scenario(NOISY, EQUAL),
    "equal nets, unlike": Scenario(UNLIKE, EQUAL),
    "on the margins": Scenario(NOISY, MARGINS),
    "on the margins, quickstart": Scenario(QUICKSTART, MARGINS),
    "a step rises": Scenario(NOISY, RISES),
    "heavy tails": Scenario(dataclasses.replace(NOISY, degrees=3), EQUAL),
    "E fails in a tenth": Scenario(NOISY, EQUAL, fails=0.1),
    "E jumps by 7 in a tenth": Scenario(NOISY, EQUAL, jumps=7.0),
    "shared originals": Scenario(dataclasses.replace(UNLIKE, per_original=4, shared=0.5), EQUAL),
    "shared, many images": Scenario(
        dataclasses.replace(UNLIKE, per_original=24, shared=0.5), EQUAL, images=24_000
    ),
    "two seeds, 200 images": Scenario(QUICKSTART, EQUAL, images=200, seeds=(2,)),
}
POWER = {
    "noisy seeds": Scenario(NOISY, POINT, claims=ONE_POINT),
    "quickstart": Scenario(QUICKSTART, POINT, claims=ONE_POINT),
}


def drawn(
    scenario: Scenario, seeds: int, studies: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """(nets, seeds, images) where each run is wrong, and (nets, seeds) which trained.

    Args:
        scenario: what they are drawn from.
        seeds: of each net.
        studies: how many to draw.
    """
    random = np.random.default_rng([seeds, scenario.images])
    population, nets = scenario.population, len(scenario.errors)
    for some in scores(
        population,
        nets=nets,
        seeds=seeds,
        images=scenario.images,
        studies=studies,
        random=random,
    ):
        error_nks = np.tile(np.array([*scenario.errors.values()])[:, None], (len(some), 1, seeds))
        error_nks[:, -1] += scenario.jumps * (random.random((len(some), seeds)) < 0.1)
        trained_nks = np.ones((len(some), nets, seeds), dtype=bool)
        trained_nks[:, -1] = random.random((len(some), seeds)) >= scenario.fails
        yield from zip(mistakes(some, population, error_nks), trained_nks, strict=True)


Rule = Callable[[Study], tuple[list[Judgement], int]]
"""Judges a study: its judgements, and the runs that it took."""


def error_rates(scenario: Scenario, rule: Rule, seeds: int, studies: int) -> dict[str, float]:
    """Judge simulated studies.

    Args:
        scenario: what they are drawn from.
        rule: how each is judged.
        seeds: of each net.
        studies: how many.

    Returns:
        What can happen -> share of the studies, percent; ``runs`` is the mean number taken, and
        ``settled`` of claims with a true word.
    """
    study = Study([*scenario.errors], seeds, scenario.claims, scenario.population)
    truth = Truth(scenario.errors, scenario.claims)
    counts: dict[str, list[float]] = defaultdict(list)
    for wrong_ksi, trained_ks in drawn(scenario, seeds, studies):
        study.set(wrong_ksi, trained_ks)
        judgements, runs = rule(study)
        false = [truth.is_false(found) for found in judgements]
        counts["any false"].append(100.0 * any(false))
        for found, is_false in zip(judgements, false, strict=True):
            counts[f"false {found.comparison.name}"].append(100.0 * is_false)
            counts["covers"] += [100.0 * hit for hit in truth.covered(found)]
        right = [j.is_settled and not f for j, f in zip(judgements, false, strict=True)]
        counts["settled"].append(float(sum(right)))
        counts["runs"].append(float(runs))
        for name, method in OTHERS.items():
            counts[name].append(float(method(judgements)))
    return {name: float(np.mean(values)) for name, values in counts.items() if values}


def as_pairs(judgements: Sequence[Judgement]) -> int:
    """Words of seeds paired between all nets, 2.5% on each side, no floor, Holm."""
    effects = [judgement.evidence.effect for judgement in judgements]
    return _shown([dataclasses.replace(e, groups=(Group(e.by_seed),)) for e in effects if e])


def as_welch(judgements: Sequence[Judgement]) -> int:
    """Words of Welch's form, 2.5% on each side, no floor, Holm."""
    effects = [judgement.evidence.effect for judgement in judgements]
    return _shown(
        [
            dataclasses.replace(e, groups=tuple(Group(g.by_seed) for g in e.groups))
            for e in effects
            if e
        ]
    )


def _shown(effects: Sequence[Measured]) -> int:
    p_values = [2 * min(e.p_below(0), e.p_above(0)) for e in effects]
    return int((holm(np.array(p_values)) <= ALPHA).sum())


def divided(claimed: float) -> Callable[[Sequence[Judgement]], int]:
    """Words where the claimed side may spend another share of a claim's 5%."""

    def count(judgements: Sequence[Judgement]) -> int:
        p_values = []
        for judgement in judgements:
            supports, contradicts = judgement.evidence.supports, judgement.evidence.contradicts
            against = contradicts.p_value * contradicts.factor * OTHER / max(1 - claimed, 1e-9)
            p_values.append(min(supports.p_value / claimed, against, 1.0))
        return int((holm(np.array(p_values)) <= ALPHA).sum())

    return count


OTHERS = {
    "pairs": as_pairs,
    "Welch": as_welch,
    "2.5 and 2.5": divided(0.5),
    "5 and 0": divided(1.0),
}


def same_words(scenario: Scenario, studies: int) -> int:
    """How many studies get the same words from run folders, predictions and a written report."""
    scenario = dataclasses.replace(scenario, errors=POINT, claims=ONE_POINT)
    study = Study([*scenario.errors], 3, scenario.claims, scenario.population)
    equal = 0
    for wrong_ksi, trained_ks in drawn(scenario, 3, studies):
        study.set(wrong_ksi, trained_ks)
        found = judged(study.found, study.view, study.reader)
        with tempfile.TemporaryDirectory() as folder:
            written = study.report(Path(folder))
        equal += written == {j.comparison.name: str(j.verdict) for j in found}
    return equal


def naive(wrong_ksi: NDArray[np.bool_]) -> dict[str, bool]:
    """What is often done instead, with two nets: whether it finds the first to be better."""
    error_ks = wrong_ksi[:2].mean(axis=2)
    mean, spread = error_ks.mean(axis=1), error_ks.std(axis=1, ddof=1)
    se = spread / np.sqrt(error_ks.shape[1])
    better, worse = (int((~a & b).sum()) for a, b in (wrong_ksi[:2, 0], wrong_ksi[1::-1, 0]))
    difference_s = error_ks[0] - error_ks[1]
    t = difference_s.mean() / max(difference_s.std(ddof=1), 1e-12) * np.sqrt(len(difference_s))
    return {
        "one seed": bool(error_ks[0, 0] < error_ks[1, 0]),
        "standard errors apart": bool(mean[0] + se[0] < mean[1] - se[1]),
        "McNemar, one pair": better > worse
        and 2 * float(special.bdtr(worse, better + worse, 0.5)) <= ALPHA,
        "paired t over seeds": bool(t < -stats.t.isf(ALPHA / 2, len(difference_s) - 1)),
    }


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


def row(name: str, cells: Sequence[str]) -> None:
    """Print a row of Markdown."""
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=Path, help="fit the noise to the finished runs in here")
    parser.add_argument("--studies", type=int, default=1000, help="simulated for each cell")
    parser.add_argument("--folders", type=int, default=0, help="studies to judge from files too")
    chosen = parser.parse_args()
    scenarios, power, studies = SCENARIOS, POWER, chosen.studies
    if chosen.runs:
        population = fitted(chosen.runs)
        print(f"\nfitted to {chosen.runs}: {population}")
        scenarios = {"equal nets, fitted": Scenario(population, EQUAL)}
        power = {"fitted": Scenario(population, POINT, claims=ONE_POINT)}

    print("\n| any false word, %; coverage, % | 2 | 3 | 5 | 10 seeds |\n|---|--:|--:|--:|--:|")
    for name, scenario in scenarios.items():
        cells = dict.fromkeys((2, 3, 5, 10), "")
        for seeds in scenario.seeds:
            found = error_rates(scenario, fixed, seeds, studies)
            cells[seeds] = f"{found['any false']:.1f}; {found['covers']:.1f}"
        row(name, [*cells.values()])

    print("\n| looks | any false word, % | coverage, % | runs of 120 |\n|---|--:|--:|--:|")
    for name, scenario in scenarios.items():
        if len(scenario.seeds) > 1 and scenario.images < 10_000:
            found = error_rates(scenario, looking(LOOKS), LOOKS[-1], studies // 4)
            cells_ = (f"{found[what]:.1f}" for what in ("any false", "covers", "runs"))
            row(f"{name}, declared", [*cells_])
    for name in [*scenarios][:2]:
        found = error_rates(scenarios[name], until_a_word(ADDED), ADDED[-1], studies // 4)
        row(f"{name}, seeds added", [f"{found['any false']:.1f}", "", f"{found['runs']:.1f}"])

    print("\n| claims settled of 5, one point each | seeds | ours | " + " | ".join(OTHERS) + " |")
    print("|---|--:|--:" + "|--:" * len(OTHERS) + "|")
    for name, scenario in power.items():
        for seeds in scenario.seeds:
            found = error_rates(scenario, fixed, seeds, studies)
            counts = (found[k] for k in ("settled", *OTHERS))
            row(name, [str(seeds), *(f"{count:.2f}" for count in counts)])
        found = error_rates(scenario, fixed, LOOKS[-1], studies // 4)
        row(f"{name}, 120 runs", [str(LOOKS[-1]), f"{found['settled']:.2f}", *[""] * len(OTHERS)])
        found = error_rates(scenario, looking(LOOKS), LOOKS[-1], studies // 4)
        row(
            f"{name}, looks, {found['runs']:.0f} runs",
            ["", f"{found['settled']:.2f}", *[""] * len(OTHERS)],
        )

    print("\n| better, found though equal, % | 3 seeds | 10 seeds |\n|---|--:|--:|")
    found_naive: dict[str, list[str]] = defaultdict(list)
    for seeds in (3, 10):
        scenario = dataclasses.replace(next(iter(scenarios.values())), population=NOISY)
        hits = [naive(wrong_ksi) for wrong_ksi, _ in drawn(scenario, seeds, studies)]
        for name in hits[0]:
            found_naive[name].append(f"{100 * np.mean([hit[name] for hit in hits]):.1f}")
    for name, shares in found_naive.items():
        row(name, shares)
    if chosen.folders:
        equal = same_words(next(iter(scenarios.values())), chosen.folders)
        print(f"\n{equal} of {chosen.folders} studies have the same words through run folders.")
    print(
        f"\n{studies} studies a cell, a quarter under looks; {time.process_time():.0f} s of a core."
    )


if __name__ == "__main__":
    main()
