"""Two studies that are draws of the same are seldom said to differ; a real shift is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from simulated_studies import Population, mistakes, scores
from study_points import run

from vgglab.config.claims import Claim
from vgglab.runs import RunDirectory, RunRecord
from vgglab.runs.records import ProtocolErrors
from vgglab.study.claims.comparisons import Comparison
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.mistakes import Mistakes, MistakesReader
from vgglab.study.claims.sides import Side
from vgglab.study.differences.matched_arms import MatchedArm, error_draft
from vgglab.study.differences.matched_claims import MatchedClaim, claim_draft
from vgglab.study.differences.shifts import Word, settled

NETS = ("a", "b", "d")
SEEDS, IMAGES, PAIRS = 3, 400, 80
ERROR = 15.0
ALIKE = Population(difficulty=1.6, taste=0.5, shift=0.15)
"""Nets that find other images hard; seeds a point or two apart, so that images matter most."""
UNLIKE = Population(difficulty=1.6, taste=0.5, shift=0.4)
"""The same with seeds several points apart."""

CLAIM = Claim(statement="x", direction="lower", compare=({"model.name": "a"}, {"model.name": "b"}))


class Drawn(MistakesReader):
    """Mistakes that were drawn, by the run's folder."""

    def __init__(self) -> None:
        self.of_run: dict[Path, Mistakes] = {}

    def mistakes(self, run: RunRecord, protocol: str, k: int) -> Mistakes | None:
        return self.of_run[run.directory.path]


TEMPLATES = [run(net, seed, ERROR) for net in NETS for seed in range(SEEDS)]


def made(wrong_ksi: NDArray[np.bool_], folder: str, reader: Drawn) -> list[list[RunRecord]]:
    """The runs of a study in a folder of its own, a row a net."""
    index_n = np.arange(IMAGES)
    found: list[list[RunRecord]] = [[] for _ in NETS]
    for place, template in enumerate(TEMPLATES):
        wrong_n = wrong_ksi[place // SEEDS, place % SEEDS]
        directory = RunDirectory(Path(folder) / template.id)
        reader.of_run[directory.path] = Mistakes(index_n, index_n, 0 * index_n, wrong_n)
        errors: ProtocolErrors = {"top1_error": 100.0 * float(wrong_n.mean()), "images": IMAGES}
        record = replace(template, directory=directory, result={"errors": {"center": errors}})
        found[place // SEEDS].append(record)
    return found


def pairs_of_studies(
    population: Population, pairs: int, shift: float = 0.0
) -> Iterator[tuple[list[list[RunRecord]], list[list[RunRecord]], Drawn]]:
    """Studies of one truth, drawn twice; the first net's error is so many points higher then."""
    drawn = scores(
        population,
        nets=len(NETS),
        seeds=2 * SEEDS,
        images=IMAGES,
        studies=pairs,
        random=np.random.default_rng(0),
    )
    errors_ks = np.full((len(NETS), 2 * SEEDS), ERROR)
    errors_ks[0, :SEEDS] += shift
    for some in drawn:
        tiled = np.tile(errors_ks, (len(some), 1, 1))
        for wrong_ksi in mistakes(some, population, tiled):
            reader = Drawn()
            yield (
                made(wrong_ksi[:, :SEEDS], "then", reader),
                made(wrong_ksi[:, SEEDS:], "now", reader),
                reader,
            )


def compared(one: int, other: int, runs: list[list[RunRecord]], later: int) -> Any:
    """The judgement of "the one has a lower error than the other", as far as its shift needs it."""
    sides = [
        Side({}, "center", ({seed + later: r for seed, r in enumerate(runs[net])},))
        for net in (one, other)
    ]
    comparison = Comparison(f"{one} {other}", CLAIM, {}, ({},), tuple(sides))
    paired = SimpleNamespace(places=(0.0, 1.0))
    return SimpleNamespace(comparison=comparison, paired=paired, direction=DIRECTIONS["lower"])


def moved(
    then: list[list[RunRecord]], now: list[list[RunRecord]], reader: Drawn, *, others: bool
) -> list[bool]:
    """Whether each net, and each of two claims on them, is said to have moved.

    ``others``: the later study has seeds of its own.
    """
    later = SEEDS * others
    drafts = []
    for before, after in zip(then, now, strict=True):
        found = {seed + later: point for seed, point in enumerate(after)}
        arm = MatchedArm(None, dict(enumerate(before)), found)  # type: ignore[arg-type]
        drafts.append(error_draft(arm, "center", reader))
    for pair in ((1, 0), (2, 1)):
        claim = MatchedClaim(compared(*pair, then, 0), compared(*pair, now, later))
        drafts.append(claim_draft(claim, reader))
    return [shift.word is Word.MOVED for shift in settled(drafts)]


@pytest.mark.parametrize("others", [False, True], ids=["same seeds", "other seeds"])
def test_draws_of_one_truth_are_said_to_differ_in_at_most_a_twentieth(others: bool) -> None:
    false = sum(
        any(moved(then, now, reader, others=others))
        for then, now, reader in pairs_of_studies(UNLIKE, PAIRS)
    )
    assert false <= stats.binom.ppf(0.99, PAIRS, 0.05)


def test_a_real_shift_is_seen() -> None:
    """Of the first net, and of the claim that it is part of; the others stay where they are."""
    seen = np.array(
        [
            moved(then, now, reader, others=False)
            for then, now, reader in pairs_of_studies(ALIKE, 40, shift=25.0)
        ]
    )
    assert seen[:, 0].mean() > 0.6
    assert seen[:, 3].mean() > 0.6
    assert seen[:, [1, 2, 4]].any(axis=1).mean() <= 0.1
