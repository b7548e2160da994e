"""The sentences that open the page: their words, their numbers, their order."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any, get_args

import pytest
from report_runs import make_study
from study_points import missing, net, run, view

from vgglab.config.claims import Topic, parse_claims
from vgglab.report.found import TOPICS, found_section, sentence, topics
from vgglab.report.results import results_of
from vgglab.report.verdicts import statement
from vgglab.report.wording import unsigned_span
from vgglab.runs import RunRecord, State
from vgglab.study import ClaimRecord, MissingPoint, StudyView, claims_record

MINUS = "\N{MINUS SIGN}"


def claim(direction: str, *models: str, margin: float = 0.0, **fields: Any) -> dict[str, Any]:
    reason = {"margin": margin, "margin_reason": "because"} if margin else {}
    sides = [{"model.name": model} for model in models]
    tree = {"statement": "as it is", "direction": direction, "compare": sides}
    return tree | reason | fields


def judged(tree: dict[str, Any], *runs: RunRecord | MissingPoint) -> ClaimRecord:
    (record,) = claims_record(view(*runs, claims=parse_claims({"mine": tree})))["claims"]
    return record


def said(tree: dict[str, Any], *runs: RunRecord | MissingPoint) -> str:
    return sentence(judged(tree, *runs))


def test_each_word_of_a_claim_that_a_net_is_better() -> None:
    better = claim("lower", "d", "a")
    assert said(better, *net("d", 5.0), *net("a", 8.65)) == (
        "D has 3.65 points less error than A (3.58 to 3.72): that D has the lower error is "
        "supported."
    )
    assert said(better, *net("d", 8.0), *net("a", 5.0)) == (
        "D has 3.00 points more error than A (2.93 to 3.07): that D has the lower error is "
        "contradicted."
    )
    assert said(better, *net("d", 5.05), *net("a", 5.0)) == (
        "D has 0.05 points more error than A (0.02 less to 0.12 more): that D has the lower error "
        "is not settled (it takes more seeds, some 57 in all if the difference stays as it is, "
        f"until the interval that counts ({MINUS}0.04 to +0.11) is clear of 0)."
    )


@pytest.mark.parametrize(
    ("tree", "begins", "ends"),
    [
        (
            claim("no_better", "e", "d", margin=0.2),
            "E has 0.10 points more error than D",
            "that E does not improve on D by more than 0.2 points is supported.",
        ),
        (
            claim("equal", "e", "d", margin=0.5),
            "E has 0.10 points more error than D",
            "that E and D differ by less than 0.5 points is supported "
            "(the difference is shown to be below 0.5 points).",
        ),
        (
            claim("falls", "a", "d", "e", margin=0.3),
            "Along a fitted line E has 3.09 points less error than A",
            "that the error falls from A to E is supported.",
        ),
        (
            claim("lower", "d", "e", "a"),
            "D has 0.10 points less error than the nearest other",
            "that D has the lowest error is supported.",
        ),
    ],
)
def test_every_direction_has_its_words(tree: dict[str, Any], begins: str, ends: str) -> None:
    nets = (*net("a", 8.0, layers=11), *net("d", 5.0, layers=16), *net("e", 5.1, layers=19))
    found = said(tree, *nets)
    assert found.startswith(begins)
    assert found.endswith(ends)


def test_runs_that_did_not_train_are_said_with_the_word() -> None:
    nets = [*net("d", 5.0), *net("a", 8.0), run("d", 5, None, state=State.DIVERGED)]
    assert "is supported, of runs that trained" in said(claim("lower", "d", "a"), *nets)
    assert said(claim("trains", "a", "d"), *nets) == (
        "Trained: A\N{NO-BREAK SPACE}5 of 5, D\N{NO-BREAK SPACE}5 of 6; that more runs train with "
        "A is not settled (it takes more runs)."
    )


def test_one_seed_and_runs_that_are_missing() -> None:
    better = claim("lower", "d", "a")
    assert said(better, run("d", 0, 5.0), run("a", 0, 8.0)) == (
        "D has 3.00 points less error than A: that D has the lower error is not settled "
        "(one seed: no noise is known, whatever the difference)."
    )
    assert said(better, missing("d", 0), missing("a", 0)) == (
        "That D has the lower error is not settled (2 of its runs have no outcome yet)."
    )


def test_ends_of_an_interval_say_their_side_only_where_they_lie_on_two() -> None:
    assert unsigned_span((-4.4, -2.9)) == "2.90 to 4.40"
    assert unsigned_span((0.14, 1.75)) == "0.14 to 1.75"
    assert unsigned_span((-0.14, 1.75)) == "0.14 less to 1.75 more"
    assert unsigned_span((-0.5, 0.003)) == "0.50 less to 0.003 more"


def test_a_topic_for_each_and_in_the_order_of_the_page(whole_study: StudyView) -> None:
    assert tuple(TOPICS) == get_args(Topic)
    names = [name for name, _ in topics(claims_record(whole_study)["claims"])]
    assert names == ["Depth", "Local response normalisation", "Size of filters"]


def test_a_claim_without_a_topic_is_told_among_the_others() -> None:
    record = judged(claim("lower", "d", "a"), *net("d", 5.0), *net("a", 8.0))
    assert topics([record]) == [("Other questions", sentence(record))]


def test_the_same_reason_is_said_once_and_many_sentences_are_counted() -> None:
    record = judged(claim("lower", "d", "a"), run("d", 0, 5.0), run("a", 0, 8.0))
    ((_, text),) = topics([record] * 7)
    assert text.count("one seed") == 1
    assert text.count("is not settled, for the same reason.") == 3
    assert text.endswith("3 more stand in the table of verdicts: 3 not settled.")


def test_settings_are_told_apart(tmp_path: Path) -> None:
    study = make_study(tmp_path, models=("a", "b", "b_5x5"), norms=("none", "batch"))
    told = dict(topics(claims_record(study)["claims"]))
    assert "With batch norm, B has" in told["Size of filters"]
    assert "With no batch norm, B has" in told["Size of filters"]
    assert "less error than no batch norm, mean of A B B-5x5 (" in told["Batch norm"]


def test_every_number_is_one_of_the_record(whole_study: StudyView) -> None:
    record = copy.deepcopy(claims_record(whole_study))
    for item in record["claims"]:
        assert item["effect"] is not None
        item["effect"] |= {"mean": -12.34, "interval": [-13.57, -11.11]}
        item["verdict"], item["reason"] = "contradicted", ""
    for item in record["claims"]:
        assert "12.34 points less error" in sentence(item), statement(item)
        assert "(11.11 to 13.57)" in sentence(item)


def test_a_study_that_asks_nothing_has_its_figure_alone(whole_study: StudyView) -> None:
    asks_nothing = dataclasses.replace(whole_study, claims={})
    section = found_section(results_of(asks_nothing), claims_record(asks_nothing))
    assert section is not None
    (block,) = section.blocks
    assert (block.kind, getattr(block, "topics")) == ("found", [])  # noqa: B009
