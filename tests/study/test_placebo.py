"""A net against itself under other seeds."""

from __future__ import annotations

import dataclasses

import pytest
import study_points
from scipy import stats
from study_points import missing, net, run

from vgglab.config.claims import parse_claims
from vgglab.runs import RunRecord, State
from vgglab.study import MissingPoint, StudyView, claims_record, result_rows
from vgglab.study.placebo import null_pair, placebo_record, reference_points

CLAIMS = parse_claims(
    {
        f"{one}{other}": {
            "statement": "",
            "direction": "lower",
            "compare": [{"model.name": one}, {"model.name": other}],
        }
        for one, other in ("ab", "bd", "de")
    }
)


def study(*placebo: RunRecord | MissingPoint, seeds: int = 3) -> StudyView:
    points = [point for model in "abde" for point in net(model, 9.0, seeds=seeds)]
    return dataclasses.replace(study_points.view(*points, claims=CLAIMS), placebo=placebo)


def others(*errors: float) -> list[RunRecord]:
    found = [run("b", 1000 + seed, error) for seed, error in enumerate(errors)]
    for point in found:  # so many that only seeds matter, as in ``net``
        point.result["errors"]["center"]["images"] = 10_000_000
    return found


def test_the_reference_is_the_net_that_most_claims_compare() -> None:
    found = reference_points(study())  # B and D are in two claims each: the first in order
    assert [(p.config.model.name, p.config.seed) for p in found] == [("b", 0), ("b", 1), ("b", 2)]
    without = dataclasses.replace(study(), claims={"de": CLAIMS["de"]})
    assert {p.config.model.name for p in reference_points(without)} == {"d"}


def test_equal_nets_are_not_shown_to_differ_and_distant_ones_would_be() -> None:
    same = placebo_record(study(*others(9.02, 8.97, 9.05)))
    assert same is not None
    assert (same["net"], same["word"]) == ("b-bn", "not shown")
    assert (same["seeds"], same["other_seeds"]) == ([0, 1, 2], [1000, 1001, 1002])
    ours = list(null_pair(study(*others(9.0))).errors.values())  # type: ignore[union-attr]
    expected = stats.ttest_ind(ours, [9.02, 8.97, 9.05], equal_var=False).confidence_interval()
    assert same["interval"] == pytest.approx([expected.low, expected.high], abs=0.01)
    broken = placebo_record(study(*others(12.0, 12.1, 11.9)))
    assert broken is not None
    assert broken["word"] == "shown"


def test_with_one_seed_there_is_no_interval() -> None:
    found = placebo_record(study(*others(9.0)))
    assert found is not None
    assert (found["interval"], found["word"]) == (None, None)


def test_no_word_while_a_run_of_it_is_missing_and_no_record_where_none_was_asked() -> None:
    found = placebo_record(study(*others(9.0, 9.1), missing("b", 1002)))
    assert found is not None
    assert found["interval"] is not None
    assert found["word"] is None
    assert placebo_record(study()) is None


def test_a_run_that_did_not_train_has_no_error_to_compare() -> None:
    diverged = run("b", 1002, None, state=State.DIVERGED)
    found = placebo_record(study(*others(9.0, 9.1), diverged))
    assert found is not None
    assert (found["other_seeds"], found["word"]) == ([1000, 1001], "not shown")


def test_it_has_as_many_seeds_as_the_looks_that_are_complete() -> None:
    view = study(*others(9.0, 9.1, 9.2, 50.0), seeds=4)
    found = placebo_record(dataclasses.replace(view, looks=(2, 3, 4), complete=2))
    assert found is not None
    assert (found["seeds"], found["other_seeds"]) == ([0, 1, 2], [1000, 1001, 1002])


def test_no_table_and_no_claim_sees_it() -> None:
    plain, with_null = study(), study(*others(1.0, 1.0, 1.0))
    assert result_rows(plain) == result_rows(with_null)
    assert claims_record(plain) == claims_record(with_null)
