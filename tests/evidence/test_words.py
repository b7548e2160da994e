"""Words anew: from predictions alone, beside those that were printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from judged_runs import change_json, write_judged_study, write_predictions

from vgglab.evidence import Word, recompute
from vgglab.evidence.words import words_given
from vgglab.runs.damage import DamagedFile


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_judged_study(tmp_path)


def runs_of(study: Path) -> Path:
    return study.parent.parent / "runs"


def test_an_honest_study_is_the_same(study: Path) -> None:
    found = recompute(study)
    assert found.words == (
        Word("deeper", "supported", "supported"),
        Word("first_norm", "not asked", "not asked"),
    )
    assert found.is_same
    assert (found.tests, found.untested, found.other_errors) == (6, 0, ())
    assert found.numbers > 20


def test_only_words_that_were_given_are_counted(study: Path) -> None:
    found = recompute(study).words
    assert words_given(found) == "1 word (1 claim not asked)"
    assert words_given(found[:1]) == "1 word"
    assert words_given([*found, found[0], Word("null arm of a", "open", "open")]) == (
        "2 words (1 claim not asked, the null arm open)"
    )
    assert words_given([found[1]] * 12) == "no word (12 claims not asked)"


def test_a_word_that_was_printed_and_is_not_found_is_another(study: Path) -> None:
    change_json(study / "claims.json", '"verdict": "supported"', '"verdict": "contradicted"')
    found = recompute(study)
    assert found.words[0] == Word("deeper", "contradicted", "supported")
    assert not found.is_same
    assert not found.other_numbers


def test_a_claim_that_is_no_longer_printed_is_missed(study: Path) -> None:
    change_json(study / "claims.json", '"claim": "deeper"', '"claim": "shallower"')
    assert recompute(study).words[0::2] == (
        Word("shallower", "supported", ""),
        Word("deeper", "", "supported"),
    )


def test_a_number_that_was_made_up_is_named(study: Path) -> None:
    change_json(study / "claims.json", '"mean": -15.0', '"mean": -16.0')
    found = recompute(study)
    assert found.other_numbers[0] == "claims[0].effect.mean"
    assert not found.is_same


def test_errors_are_counted_from_predictions_and_not_believed(study: Path) -> None:
    (path,) = runs_of(study).glob("a-*-s0-*/result.json")
    change_json(path, '"top1_error": 30.0', '"top1_error": 12.0')
    found = recompute(study)
    assert found.words[0].recomputed == "supported"  # the change in result.json is without effect
    assert not found.other_numbers
    assert found.other_errors == (
        f"{path.parent.name}, center: result.json says top1_error 12, predictions give 30",
    )
    assert not found.is_same


def test_a_word_follows_from_predictions(study: Path) -> None:
    for path in runs_of(study).glob("b-*"):
        write_predictions(path, 300)  # with their errors in result.json, all of it consistent
    found = recompute(study)
    assert found.words[0] == Word("deeper", "supported", "contradicted")
    assert not found.other_errors


def test_a_run_without_predictions_is_said_to_be_believed(study: Path) -> None:
    (path,) = runs_of(study).glob("a-*-s0-*/predictions/center.parquet")
    path.unlink()
    found = recompute(study)
    assert (found.tests, found.untested) == (5, 1)


def test_what_is_no_file_of_claims_is_one_line(study: Path) -> None:
    (study / "claims.json").write_text('{"claims": [1], "not_asked": []}', encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"claims\.json: damaged"):
        recompute(study)
    (study / "claims.json").unlink()
    with pytest.raises(DamagedFile, match="there is none"):
        recompute(study)
