"""Two runs, or two studies, compared: plain text of at most 80 columns, and its last sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from paper_numbers import write_tested_run
from study_points import config, net, run, view

from vgglab.config.claims import parse_claims
from vgglab.report import run_diff, study_diff
from vgglab.runs import RunDirectory, RunRecord, State, Status, load_run
from vgglab.study import StudyView
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.differences.shifts import Word
from vgglab.study.differences.two_runs import compare_runs
from vgglab.study.differences.two_studies import TwoStudies, compare_studies

FOLDERS = ("studies/old", "studies/new")
CLAIMS = parse_claims(
    {
        "mine": {
            "statement": "B beats A",
            "direction": "lower",
            "compare": [{"model.name": "b"}, {"model.name": "a"}],
        }
    }
)


def fits(lines: list[str]) -> str:
    """The lines, which are plain and fit."""
    assert max(map(len, lines)) <= 80, "\n".join(lines)
    text = "\n".join(lines)
    assert text.isascii()
    assert not any(line != line.rstrip() for line in lines)
    return text


def elsewhere(runs: list[RunRecord], by: float = 0.0) -> list[RunRecord]:
    """The same runs, computed again by another torch, their errors so many points higher."""
    found = [replace(one, directory=RunDirectory(Path("new") / one.id)) for one in runs]
    for place, one in enumerate(found):
        error = one.result["errors"]["center"]
        status = Status(state=State.FINISHED, versions={"torch": "2.2"}, commit="f" * 40)
        higher: Any = {"center": {**error, "top1_error": error["top1_error"] + by}}
        found[place] = replace(one, status=status, result={**one.result, "errors": higher})
    return found


def written(folder: Path, wrong: NDArray[np.bool_], seed: int) -> RunRecord:
    write_tested_run(folder, config("a", seed), {"center": wrong}, np.arange(len(wrong)))
    return load_run(folder)


def of(*points: Any) -> StudyView:
    return view(*points, claims=CLAIMS)


def compared(then: StudyView, now: StudyView) -> TwoStudies:
    return compare_studies(then, now, lambda _: "")


def test_a_shift_of_one_net_is_the_last_sentence() -> None:
    a, b = net("a", 9.0), net("b", 8.0)
    for one in (*a, *b):
        one.status.versions["torch"] = "2.1"
    found = compared(of(*a, *b), of(*elsewhere(a), *elsewhere(b, by=1.5)))
    text = fits(study_diff.lines(found, FOLDERS))
    assert "then  studies/old" in text
    assert re.search(r"^versions +torch +2\.1 +2\.2$", text, re.MULTILINE)
    last = " ".join(text.rpartition("\n\n")[2].split())
    assert last.startswith("Moved by more than noise: B, +1.50 points; claim mine: B - A, +1.50")
    assert "Another word: mine: B - A, supported then and contradicted now (by more than" in last


def test_nothing_that_moved_by_more_than_noise_leaves_room() -> None:
    a, b = net("a", 9.0, images=4_000), net("b", 8.0, images=4_000)
    found = compared(of(*a, *b), of(*elsewhere(a, by=0.004), *elsewhere(b)))
    text = " ".join(fits(study_diff.lines(found, FOLDERS)).split())
    assert "Nothing moved by more than noise; the intervals leave room for 2." in text
    assert study_diff.document(found, FOLDERS)["moved"] == []


def test_runs_that_came_out_the_same_are_no_measure_of_noise(tmp_path: Path) -> None:
    old, new = (
        [written(tmp_path / f / f"a-s{s}", np.roll(np.arange(300) < 60, s), s) for s in (0, 1)]
        for f in ("old", "new")
    )
    finding = study_diff.finding(compared(of(*old), of(*new)))
    assert finding == "Nothing moved: run for run the errors are the same."


def test_what_cannot_be_tested_is_no_all_clear() -> None:
    a = net("a", 9.0, seeds=1)
    found = compared(of(*a), of(*elsewhere(a)))
    assert study_diff.finding(found) == "Nothing could be tested: one seed."
    assert "one seed" in fits(study_diff.lines(found, FOLDERS))
    same = compared(of(*net("a", 9.0)), of(*net("a", 9.0)))
    assert study_diff.finding(same) == "Nothing could be tested: the same runs in both studies."
    assert "5 runs are the very same in both studies, and no evidence." in "\n".join(
        study_diff.lines(same, FOLDERS)
    )


def test_long_names_and_nets_of_one_study_fit() -> None:
    wide = [*net("a", 9.0, width=0.125), *net("a", 8.0, width=0.25, norm="none")]
    found = compared(of(*wide), of(*elsewhere(wide), *net("d", 7.0, width=0.25, norm="none")))
    text = fits(study_diff.lines(found, ("s/" + "x" * 90, "studies/new")))
    assert "Only now: D without batch norm" in text
    rows = study_diff.rows(found)
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert rows[0]["name"].isascii()


@pytest.mark.parametrize(("shift", "says"), [(2, "no more than luck"), (40, "more than luck")])
def test_two_runs_say_nothing_of_nets(tmp_path: Path, shift: int, says: str) -> None:
    wrong = np.arange(300) < 60
    one = written(tmp_path / "a-s0", wrong, 0)
    other = written(tmp_path / "a-s1", np.roll(wrong, shift) | wrong, 1)
    found = compare_runs((one, other), ("sha256:1", "sha256:1"), MistakesReader())
    text = " ".join(fits(run_diff.lines(found)).split())
    assert f"center: the difference is {says} on 300 test images gives" in text
    assert text.endswith("With one seed each a claim stays inconclusive.")
    document = run_diff.document(found)
    assert document["errors"][0]["more_than_luck"] is (shift == 40)
    assert "data: the same, fingerprint 1" in text


def test_runs_that_are_not_paired_are_told_so() -> None:
    found = compare_runs((run("a", 0, 9.0), run("b", 0, 8.0)), ("x", "y"), MistakesReader())
    text = " ".join(fits(run_diff.lines(found)).split())
    assert "not compared image by image (other data fingerprints)" in text
    assert "data: fingerprint A x, B y" in text
    assert {tuple(row) for row in run_diff.rows(found)} == {
        ("what", "name", "a", "b", "difference", "low", "high", "p")
    }


def test_studies_without_a_common_net_have_no_config_to_compare() -> None:
    found = compared(of(*net("a", 9.0)), of(*net("d", 9.0)))
    text = fits(study_diff.lines(found, FOLDERS))
    assert "config: no net is in both, so none was compared" in text
    assert "no field differs" not in text


def test_what_rounding_leaves_is_no_shift() -> None:
    a = net("a", 9.0)
    found = compared(of(*a), of(*elsewhere(a, by=0.5)))
    (arm,) = found.arms
    for size, says in ((1e-16, "run for run the errors are the same"), (0.02, "leave room for")):
        zero = replace(arm.error, word=Word.NOISE, difference=size / 2, interval=(-size, size))
        nearly = replace(found, arms=[replace(arm, error=zero)], claims=[])
        assert says in study_diff.finding(nearly)
