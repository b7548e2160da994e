"""When a claim was declared, and what of it was changed after runs had been seen."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from vgglab.config.claims import Claims, parse_claims
from vgglab.study.declared import DeclaredLine, declared_line, marks, plain_claims, study_marks

CLAIM: dict[str, Any] = {
    "statement": "D beats C",
    "direction": "lower",
    "compare": [{"model.name": "d"}, {"model.name": "c"}],
    "margin": 0.8,
    "margin_reason": "as small as the paper's smallest gain",
}


def claims(**changes: Any) -> Claims:
    return parse_claims({"mine": CLAIM | changes})


def line(of: Claims, seen: int, total: int = 18, looks: tuple[int, ...] = (3, 5)) -> DeclaredLine:
    return DeclaredLine(
        time=1.0,
        commit="",
        hash="",
        looks=looks,
        claims=plain_claims(of),
        runs_seen=dict.fromkeys(of, (seen, total)),
    )


def test_a_claim_that_came_before_its_runs() -> None:
    assert marks(claims(), [line(claims(), 0)]) == {"mine": ["declared before its runs"]}


def test_a_claim_that_came_after_some_of_its_runs() -> None:
    found = marks(claims(), [line({}, 0), line(claims(), 12)])
    assert found == {"mine": ["added after 12 of 18 of its runs had been seen"]}


def test_a_changed_margin_shows_with_both_values() -> None:
    changed = claims(margin=2.0)
    assert marks(changed, [line(claims(), 0), line(changed, 18)])["mine"] == [
        "declared before its runs",
        "margin was 0.8 when declared, changed to 2 after 18 of 18 runs",
    ]


def test_changed_back_is_a_second_change() -> None:
    lines = [line(claims(), 0), line(claims(margin=2.0), 6), line(claims(), 18)]
    assert marks(claims(), lines)["mine"][1:] == [
        "margin was 0.8 when declared, changed to 2 after 6 of 18 runs",
        "margin was 2 then, changed to 0.8 after 18 of 18 runs",
    ]


def test_every_changed_field_has_its_mark_and_long_ones_are_not_quoted() -> None:
    changed = claims(
        direction="equal", statement="D and C are of one mind, so to speak", metric="top5_error"
    )
    assert marks(changed, [line(claims(), 0), line(changed, 0)])["mine"][1:] == [
        "statement changed before its runs",
        "direction was lower when declared, changed to equal before its runs",
        "metric was top1_error when declared, changed to top5_error before its runs",
    ]


def test_a_claim_that_no_line_declares_says_so() -> None:
    assert marks(claims(), []) == {"mine": ["not declared: the study was not launched with it"]}
    assert marks(claims(margin=1.0), [line(claims(), 0)])["mine"][1:] == [
        "margin is another than the one declared"
    ]


def test_the_topic_of_a_claim_is_no_part_of_what_is_declared() -> None:
    old, now = line(claims(), 0), claims(about="depth")
    assert "about" not in old.claims["mine"]  # a study of before there were topics has its hash
    assert plain_claims(now) == old.claims
    assert marks(now, [old]) == {"mine": ["declared before its runs"]}


def test_other_looks_and_claims_that_are_gone_are_the_studys_marks() -> None:
    assert study_marks(claims(), (3, 5), [line(claims(), 0)]) == []
    declared = [line(claims(), 0), line(claims(), 9, looks=(3, 5, 8))]
    assert study_marks({}, (3, 5, 8), declared) == [
        "looks were 3, 5, changed to 3, 5, 8 after 9 runs of a claim had been seen",
        "the claim mine was declared and is no longer asked",
    ]


def test_a_line_survives_its_file() -> None:
    one = line(claims(), 3)
    assert declared_line(json.loads(json.dumps(dataclasses.asdict(one)))) == one
