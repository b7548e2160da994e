"""Simulated studies as the report sees them: runs, claims, looks; and which of its words are so."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from paper_numbers import write_tested_run
from simulated_studies import Population, originals

from vgglab.config.claims import parse_claims
from vgglab.config.parse import parse
from vgglab.report import write_report
from vgglab.runs import RunDirectory, RunRecord, State, Status, load_runs
from vgglab.study import StudyView
from vgglab.study.claims.comparisons import Comparison, comparisons
from vgglab.study.claims.directions import trend_weights
from vgglab.study.claims.mistakes import Mistakes, MistakesReader
from vgglab.study.claims.verdict import Judgement, Verdict, judged
from vgglab.study.ledger import LookedAt, LookLine


class Drawn(MistakesReader):
    """Mistakes that were drawn, in place of those in files."""

    def __init__(self) -> None:
        self.of_run: dict[str, Mistakes] = {}

    def mistakes(self, run: RunRecord, protocol: str, k: int) -> Mistakes | None:
        return self.of_run.get(run.id)


class Study:
    """A study of some nets with some seeds, whose results can be set anew."""

    def __init__(
        self,
        nets: Sequence[str],
        seeds: int,
        claims: Mapping[str, Mapping[str, Any]],
        population: Population,
    ) -> None:
        self.runs = [[_run(net, seed) for seed in range(seeds)] for net in nets]
        self.reader, self._population = Drawn(), population
        tree = {name: _claim(**claim) for name, claim in claims.items()}
        runs = [run for row in self.runs for run in row]
        self.view = StudyView(
            name="simulated", asks="", paper="", runs=runs, claims=parse_claims(tree)
        )
        self.found, _ = comparisons(self.view)

    def set(self, wrong_ksi: NDArray[np.bool_], trained_ks: NDArray[np.bool_]) -> None:
        """Give every run its result.

        Args:
            wrong_ksi: (nets, seeds, images), where each is wrong.
            trained_ks: (nets, seeds), whether it trained at all.
        """
        images = wrong_ksi.shape[-1]
        index_n, original_n = np.arange(images), originals(self._population, images)
        label_n = np.zeros(images, dtype=np.int64)
        for k, row in enumerate(self.runs):
            for s, run in enumerate(row):
                wrong_n = wrong_ksi[k, s]
                error = 100.0 * float(wrong_n.mean())
                self.reader.of_run[run.id] = Mistakes(index_n, original_n, label_n, wrong_n)
                run.result["errors"]["center"] = {
                    "top1_error": error,
                    "loss": 0.0,
                    "images": images,
                }
                run.status.state = State.FINISHED if trained_ks[k, s] else State.DIVERGED

    def report(self, folder: Path) -> dict[str, str]:
        """The words of ``claims.json``, from run folders and the report that is written of them.

        Args:
            folder: empty; every run must have trained.
        """
        for run in (run for row in self.runs for run in row):
            drawn = self.reader.of_run[run.id]
            write_tested_run(
                folder / "runs" / run.id, run.config, {"center": drawn.wrong_n}, drawn.original_n
            )
        view = dataclasses.replace(self.view, runs=load_runs(folder / "runs"))
        write_report(view, folder)
        record = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
        return {claim["claim"]: claim["verdict"] for claim in record["claims"]}


def _run(net: str, seed: int) -> RunRecord:
    tree = {"model": {"name": net}, "seed": seed, "data": {"name": "digits"}}
    recipe = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1}
    config = parse(tree | {"recipe": recipe, "protocol": {"name": "center"}})
    directory = RunDirectory(Path(f"{net}-{seed}"))
    errors = {"center": {"top1_error": 0.0, "loss": 0.0, "images": 1}}
    return RunRecord(directory, config, Status(state=State.FINISHED), {"errors": errors})  # type: ignore[typeddict-item]


def _claim(
    direction: str,
    nets: Sequence[str],
    margin: float = 0.0,
    best: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    sides = [{"model.name": net} for net in nets]
    more = {"margin": margin, "margin_reason": "simulated"} if margin else {}
    more |= {"best": best} if best else {}
    return {"statement": "x", "direction": direction, "compare": sides} | more


def fixed(study: Study) -> tuple[list[Judgement], int]:
    """One declared look at all seeds."""
    seeds = len(study.runs[0])
    view = dataclasses.replace(study.view, looks=(seeds,))
    return judged(study.found, view, study.reader), seeds * len(study.runs)


class looking:  # noqa: N801  (used as a function)
    """Declared looks: stops when every claim has its word."""

    def __init__(self, looks: tuple[int, ...]) -> None:
        self._looks = looks

    def __call__(self, study: Study) -> tuple[list[Judgement], int]:
        view = dataclasses.replace(study.view, looks=self._looks)
        found = judged(study.found, view, study.reader)
        seeds_of = {run.config.model.name: self._looks[0] for row in study.runs for run in row}
        for comparison, judgement in zip(study.found, found, strict=True):
            last = self._looks[judgement.look - 1]
            for net in _nets(comparison):
                seeds_of[net] = max(seeds_of[net], last)
        return found, sum(seeds_of.values())


class until_a_word:  # noqa: N801  (used as a function)
    """No declared looks: seeds are added, and the study judged, until any claim gets a word.

    What advice to train more seeds invites. The ledger has the earlier judgements.
    """

    def __init__(self, seeds: tuple[int, ...]) -> None:
        self._seeds = seeds

    def __call__(self, study: Study) -> tuple[list[Judgement], int]:
        ledger: list[LookLine] = []
        found: list[Judgement] = []
        for seeds in self._seeds:
            among = range(seeds)
            view = dataclasses.replace(study.view, ledger=ledger)
            asked = [comparison.among(among) for comparison in study.found]
            found = judged(asked, view, study.reader)
            if any(judgement.is_settled for judgement in found):
                return found, seeds * len(study.runs)
            looked = {c.key: LookedAt(seeds=(*among,), word="", alpha_spent=0.0) for c in asked}
            ledger.append(
                LookLine(time=0, look=None, seeds=(*among,), claims=looked, minutes=0, runs=0)
            )
        return found, self._seeds[-1] * len(study.runs)


def _nets(comparison: Comparison) -> set[str]:
    return {str(side.fields["model.name"]) for side in comparison.sides}


class Truth:
    """What is so in a population: which words on its claims are false."""

    def __init__(
        self, errors: Mapping[str, float], claims: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._errors = {name: [errors[net] for net in c["nets"]] for name, c in claims.items()}
        self._claims = claims

    def is_false(self, found: Judgement) -> bool:
        """Whether the word is false; at an exact bound both are."""
        claim = self._claims[found.comparison.name]
        errors, margin = self._errors[found.comparison.name], claim.get("margin", 0.0)
        above, at = _holds(claim["direction"], errors, margin)
        match found.verdict:
            case Verdict.SUPPORTED:
                return at or not above
            case Verdict.CONTRADICTED:
                return at or above
            case Verdict.INCONCLUSIVE:
                return False

    def covered(self, found: Judgement) -> list[bool]:
        """Whether the interval of the effect has the truth in it; empty without an interval."""
        effect = found.evidence.effect
        interval = effect.interval_of(found.tail, found.tail) if effect else None
        if interval is None:
            return []
        errors = self._errors[found.comparison.name]
        weights = (1.0, -1.0)
        if self._claims[found.comparison.name]["direction"] == "falls":
            weights = trend_weights(found.paired.places)  # type: ignore[assignment]
        return [interval[0] <= float(np.dot(weights, errors)) <= interval[1]]


def _holds(direction: str, errors: Sequence[float], margin: float) -> tuple[bool, bool]:
    """Whether the claim is so, and whether it lies exactly on its bound."""
    difference = errors[0] - errors[1]
    if direction == "lower":
        return difference < -margin, difference == -margin
    if direction == "no_better":
        return difference > -margin, difference == -margin
    if direction == "equal":
        return abs(difference) < margin, False
    steps = np.diff(errors)
    slope = errors[-1] - errors[0]  # of nets that rise or fall throughout, or stay
    return bool(slope < 0 and steps.max() < margin), bool(slope == 0 and not steps.any())
