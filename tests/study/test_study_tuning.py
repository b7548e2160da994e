"""Each net has its own best setting, and the words without tuning are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import study_points
from study_points import config, missing, net

from vgglab.config.claims import parse_claims
from vgglab.study import Candidate, StudyView, Tuning, net_of
from vgglab.study.claims.comparisons import comparisons
from vgglab.study.ledger import LookLine
from vgglab.study.looking import look_lines
from vgglab.study.tuning import Values
from vgglab.study.tuning_record import control_of, tuning_record, word_without_tuning

FIELDS = ("recipe.learning_rate",)
RATES = (0.02, 0.05)
CLAIM = {
    "statement": "B beats A",
    "direction": "lower",
    "compare": [{"model.name": "b"}, {"model.name": "a"}],
}


def setting(rate: float) -> Values:
    return (("recipe.learning_rate", rate),)


def candidate(model: str, rate: float, *errors: float | None) -> Candidate:
    found = net_of(config(model, 0, learning_rate=rate), FIELDS)
    return Candidate(found, setting(rate), {900 + i: error for i, error in enumerate(errors)})


def tuning(**errors: tuple[float | None, ...]) -> Tuning:
    """Net -> its validation error at each of the rates, one tuning seed."""
    return Tuning(
        [
            candidate(model, rate, error)
            for model, of in errors.items()
            for rate, error in zip(RATES, of, strict=True)
        ]
    )


def chosen(found: Tuning) -> dict[str, float]:
    return {dict(n)["model.name"]: dict(s)[FIELDS[0]] for n, s in found.chosen.items()}


def test_a_net_is_the_same_under_another_seed_and_setting() -> None:
    first = net_of(config("a", 0, learning_rate=0.1), FIELDS)
    assert first == net_of(config("a", 7, learning_rate=0.02), FIELDS)
    assert first != net_of(config("b", 0, learning_rate=0.1), FIELDS)
    assert first != net_of(config("a", 0, learning_rate=0.1, batch_size=32), FIELDS)


def test_each_net_has_its_own_best_and_all_have_one() -> None:
    found = tuning(a=(9.0, 10.0), b=(8.0, 6.0), c=(5.0, 4.5))
    assert chosen(found) == {"a": 0.02, "b": 0.05, "c": 0.05}
    assert found.one_for_all == setting(0.05)  # 20.5 in all against 22


def test_of_equal_settings_the_first_is_chosen() -> None:
    found = tuning(a=(9.0, 9.0))
    assert chosen(found) == {"a": 0.02}
    assert found.one_for_all == setting(0.02)


def test_the_mean_over_seeds_decides() -> None:
    one, other = candidate("a", 0.02, 9.0, 11.0), candidate("a", 0.05, 9.5, 9.6)
    assert chosen(Tuning([one, other])) == {"a": 0.05}


def test_nothing_is_chosen_while_a_run_is_missing() -> None:
    found = tuning(a=(9.0, None), b=(8.0, 6.0))
    assert not found.is_complete
    assert (found.chosen, found.one_for_all) == ({}, ())


def tuned_study(*, control_gap: float, seeds: int = 5) -> StudyView:
    """A at 0.02 and B at 0.05, three points better; with 0.05 for both it is ``control_gap``."""
    claims = parse_claims({"b_beats_a": CLAIM})
    ours: list[Any] = [
        *net("a", 9.0, seeds=seeds, learning_rate=0.02),
        *net("b", 6.0, seeds=seeds, learning_rate=0.05),
    ]
    control: list[Any] = [
        *net("a", 6.0 + control_gap, seeds=seeds, learning_rate=0.05),
        *ours[seeds:],
    ]
    view = study_points.view(*ours, claims=claims)
    guard = dataclasses.make_dataclass("guard", ["declared"])(
        dataclasses.make_dataclass("declared", ["nuisance"])(("seed", *FIELDS))
    )
    found = tuning(a=(9.0, 10.0), b=(8.0, 6.0))
    return dataclasses.replace(view, guard=guard, tuning=found, control=control)


def test_a_word_that_follows_from_tuning_is_known() -> None:
    record = tuning_record(tuned_study(control_gap=0.0))
    assert record is not None
    assert [c["chosen"] for c in record["candidates"]] == [True, False, False, True]
    assert record["one_for_all"] == {"recipe.learning_rate": 0.05}
    (word,) = record["words"]
    assert word["claim"] == "b_beats_a"
    assert word["mean"] is not None
    assert abs(word["mean"]) < 0.1
    assert word["verdict"] == "inconclusive"
    same = tuning_record(tuned_study(control_gap=3.0))
    assert same is not None
    assert word_without_tuning(same, "b_beats_a", {}) == "supported"
    assert word_without_tuning(same, "another", {}) == ""


def test_control_runs_that_are_missing_leave_the_word_open() -> None:
    view = tuned_study(control_gap=3.0)
    control = [*view.control[:4], missing("a", 4, learning_rate=0.05), *view.control[5:]]
    record = tuning_record(dataclasses.replace(view, control=control))
    assert record is not None
    assert word_without_tuning(record, "b_beats_a", {}) == "inconclusive"


@pytest.mark.slow
def test_a_control_that_is_judged_again_has_less_to_spend() -> None:
    """As the study's own claims have, where no looks are declared."""
    (gap,) = [g for g in np.arange(0.02, 0.3, 0.005) if _word(g) != _word(g - 0.005)]
    assert _word(gap) == _word(gap, judged_before=(5,)) == "supported"
    assert _word(gap, judged_before=(3, 4)) == "inconclusive"


def _word(gap: float, judged_before: Sequence[int] = ()) -> str:
    """Of five seeds, after reports that were written when there were fewer."""
    ledger: Sequence[LookLine] = ()
    for seeds in judged_before:
        view = tuned_study(control_gap=gap, seeds=seeds)
        control = control_of(dataclasses.replace(view, control_ledger=ledger))
        ledger = [*ledger, *look_lines(control, 1.0)]
    view = tuned_study(control_gap=gap)
    record = tuning_record(dataclasses.replace(view, control_ledger=ledger))
    assert record is not None
    return word_without_tuning(record, "b_beats_a", {})


def test_nets_of_any_setting_are_averaged_over() -> None:
    """Batch norm against none, over A and B, each of the four tuned to a rate of its own."""
    claim = {
        "statement": "batch norm helps",
        "direction": "lower",
        "compare": [{"norm.name": "batch"}, {"norm.name": "none"}],
        "average_over": ["model.name"],
    }
    rates = {("a", "batch"): 0.02, ("b", "batch"): 0.05, ("a", "none"): 0.05, ("b", "none"): 0.02}
    runs: list[Any] = [
        run
        for (model, norm), rate in rates.items()
        for run in net(model, 9.0 if norm == "none" else 6.0, norm=norm, learning_rate=rate)
    ]
    view = study_points.view(*runs, claims=parse_claims({"norm": claim}))
    found, _ = comparisons(dataclasses.replace(view, tuning=tuning(a=(9.0, 10.0), b=(8.0, 6.0))))
    (comparison,) = found
    assert [dict(side.fields) for side in comparison.sides] == [
        {"norm.name": "batch"},
        {"norm.name": "none"},
    ]
    assert len(comparison.points) == len(runs)
    assert len(comparisons(view)[0]) != 1  # without tuning they differ in what nobody declared


def test_a_study_that_was_not_tuned_says_nothing() -> None:
    assert tuning_record(study_points.view(*net("a", 9.0))) is None
