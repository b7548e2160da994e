"""What the screen says at the end of a study: in 80 columns, in plain characters."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from study_points import missing, run, view

from vgglab.config.claims import parse_claims
from vgglab.report.screen import screen_lines
from vgglab.report.tables import seeds_trained
from vgglab.runs import State
from vgglab.study import Arm, StudyView, Summary, claims_record, summarise

LONG = {
    "statement": "x",
    "direction": "trains",
    "compare": [{"norm.name": "batch"}, {"norm.name": "none"}],
    "average_over": ["model.name", "init.name", "model.width"],
}
BETTER: dict[str, Any] = {
    "statement": "A beats B",
    "direction": "lower",
    "compare": [{"model.name": "a"}, {"model.name": "b"}],
}


def screen(study: StudyView) -> list[str]:
    """Its lines, which fit and are plain whatever the study."""
    lines = screen_lines(study, claims_record(study))
    assert max(map(len, lines)) <= 80, "\n".join(lines)
    assert "\n".join(lines).isascii()
    return lines


def of_two(*points: Any) -> StudyView:
    return view(*points, claims=parse_claims({"mine": BETTER}))


def test_nets_and_claims_of_a_whole_study(whole_study: StudyView) -> None:
    lines = screen(whole_study)
    assert lines[:4] == [
        "",
        "19 of 21 points finished; 1 pending, 1 diverged.",
        "",
        "net    layers  error, %  95% interval                seeds  min/run",
    ]
    for line, summary in zip(lines[4:], summarise(whole_study), strict=False):
        assert summary.top1
        assert summary.top1.interval
        low, high = summary.top1.interval
        assert f"{summary.top1.mean:.2f}  {low:.2f} to {high:.2f}" in line
    assert lines[4].split()[-1] == "1.1"  # 21 ms a step: 63 s
    assert lines[10].startswith("E          19")
    assert "  2 of 3 (1 diverged)  " in lines[10]
    claims = lines[lines.index("") :][lines[1:].index("") :]
    assert claims[-6].startswith("lrn: A-LRN - A         inconclusive  ")
    assert claims[-6].endswith("29.7 29.6")
    assert claims[-5].startswith("depth: A to E, fitted  inconclusive  ")
    assert claims[-5].endswith("29.6 28.7 27.0 27.3")


def test_its_numbers_are_those_of_the_record(whole_study: StudyView) -> None:
    record = copy.deepcopy(claims_record(whole_study))
    for claim in record["claims"]:
        assert claim["effect"] is not None
        claim["effect"] |= {"mean": 12.34, "interval": [11.11, 13.57]}
        claim["verdict"], claim["of_trained_runs"] = "contradicted", True
    lines = screen_lines(whole_study, record)
    told = [line for line in lines if "contradicted*" in line]
    assert len(told) == len(record["claims"])
    assert all("+12.34  +11.11 to +13.57" in line for line in told)
    assert lines[-1] == "* of runs that trained: others did not"


def test_long_names_go_on_below_themselves() -> None:
    points = [
        run(model, seed, 5.0 + seed, norm=norm, init=init, width=width)
        for model in ("a_lrn", "b")
        for norm in ("none", "batch")
        for init in ("glorot", "gaussian_printed")
        for width in (0.25, 0.125)
        for seed in (0, 1)
    ]
    claims = parse_claims({"long_name_of_a_claim_on_training": LONG, "mine": BETTER})
    lines = screen(view(*points, claims=claims))
    assert any(line.startswith("A-LRN with batch norm,  ") for line in lines)
    assert any(line.startswith("  glorot initialisation,") for line in lines)
    assert "model.width=0.125" in {line.strip() for line in lines}
    assert any(line.startswith("long name of a claim") for line in lines)


def test_a_study_without_claims(whole_study: StudyView) -> None:
    lines = screen(dataclasses.replace(whole_study, claims={}))
    assert lines[-1] == "No claim was put to this study."


def test_one_seed_says_why_every_claim_is_open() -> None:
    lines = screen(of_two(run("a", 0, 5.0), run("b", 0, 4.0)))
    assert lines[-2].split() == ["mine:", "A", "-", "B", "inconclusive", "+1.00", "-", "-"]
    assert lines[-1] == "inconclusive: one seed: no noise is known, whatever the difference"


def test_points_that_are_missing_or_did_not_train() -> None:
    lines = screen(of_two(run("a", 0, None, state=State.DIVERGED), missing("b", 0)))
    assert lines[1] == "0 of 2 points finished; 1 pending, 1 diverged."
    assert lines[4].split() == ["A", "11", "-", "-", *["0", "of", "1", "(1", "diverged)"], "-"]
    assert lines[5].split() == ["B", "13", "-", "-", *["0", "of", "1", "(1", "pending)"], "-"]
    assert lines[-1] == "inconclusive: 1 of its runs have no outcome yet"


def test_a_run_that_was_not_tested_so_is_counted_as_such() -> None:
    arm = Arm("b", "batch", "he")
    states = {"diverged": 1, "finished": 2}
    found = Summary(arm, "dense", 13, (0, 1, 2), states, top1_error={0: 5.0}, top5_error={})
    assert seeds_trained(found) == "1 of 3 (1 diverged, 1 not tested)"


def test_the_first_protocols_table_and_how_many_more_the_page_has() -> None:
    dense = {"dense": {"top1_error": 1.0, "loss": 0.1, "images": 4000}}
    points = [run(model, seed, 5.0 + seed, also=dense) for model in "ab" for seed in (0, 1)]
    lines = screen(view(*points))
    assert "Protocol center; the page has 1 protocol more: dense." in lines
    assert sum(line.startswith(("A ", "B ")) for line in lines) == 2


@pytest.mark.parametrize(("seconds", "shown"), [(30.0, "0.50"), (93.0, "1.6")])
def test_short_runs_keep_a_second_decimal(seconds: float, shown: str) -> None:
    point = run("a", 0, 5.0)
    point.result["speed"]["train_seconds"] = seconds
    assert screen(view(point))[4].split()[-1] == shown
