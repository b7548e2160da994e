"""A net against itself under other seeds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import pytest
import study_points
from scipy import stats
from study_points import missing, net, run

from vgglab.config.claims import parse_claims
from vgglab.runs import RunRecord, State
from vgglab.study import MissingPoint, StudyView, claims_record, result_rows
from vgglab.study.ledger import LookLine, lines_to_add, look_line, plain_line
from vgglab.study.looking import look_lines, with_looks
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


def reported(shift: float, seeds: int, ledger: Sequence[LookLine]) -> tuple[str, list[LookLine]]:
    """The null arm's word in a report on so many seeds, and the ledger after it."""
    errors = [9.0 + shift + 0.02 * (seed % 2) for seed in range(seeds)]
    view = dataclasses.replace(study(*others(*errors), seeds=seeds), ledger=ledger)
    record = placebo_record(view)
    assert record is not None
    return str(record["word"]), [*ledger, *lines_to_add(list(ledger), look_lines(view, 1.0))]


def test_reported_five_times_it_shares_one_five_percent() -> None:
    """Each report had 5% of its own."""
    ledger: list[LookLine] = []
    for seeds in (3, 4, 5, 6, 7, 7):  # the same runs again are no other look
        _, ledger = reported(0.0, seeds, ledger)
    spent = [line.null.alpha_spent / 0.05 for line in ledger if line.null]
    assert spent == pytest.approx([0.8, 0.9, 0.95, 0.975, 0.9875])
    assert [look_line(json.loads(json.dumps(plain_line(line)))) for line in ledger] == ledger
    # What would be shown at a first look is not shown at a second, which has a tenth of the 5%.
    assert reported(0.09, 4, [])[0] == "shown"
    word, ledger = reported(0.09, 4, reported(0.09, 3, [])[1])
    assert word == "not shown"
    assert reported(0.09, 4, ledger)[0] == word


def test_its_declared_looks_spend_as_those_of_claims() -> None:
    declared = dataclasses.replace(study(*others(*[9.0] * 4), seeds=4), looks=(2, 4))
    lines = look_lines(with_looks(declared), 1.0)
    assert [line.null.alpha_spent / 0.05 for line in lines if line.null] == pytest.approx([0.5, 1])
    # After a report that declared none: what was spent does not come back.
    _, ledger = reported(0.0, 3, [])
    again = dataclasses.replace(declared, ledger=[*lines, *ledger])
    null = look_lines(with_looks(again), 1.0)[-1].null
    assert null is not None
    assert null.alpha_spent / 0.05 == pytest.approx(0.9)


def test_no_table_and_no_claim_sees_it() -> None:
    plain, with_null = study(), study(*others(1.0, 1.0, 1.0))
    assert result_rows(plain) == result_rows(with_null)
    assert claims_record(plain) == claims_record(with_null)
