"""``study.json``: a study read back from its folder is judged as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from report_runs import make_study

from vgglab.study import Candidate, Declared, Guard, Tuning, claims_record, results_table
from vgglab.study.looking import with_looks
from vgglab.study.stored import read_study, write_study


def test_a_study_comes_back_with_all_that_its_words_depend_on(tmp_path: Path) -> None:
    made = make_study(tmp_path, seeds=(0, 1, 2))
    rate = "recipe.learning_rate"
    candidates = [Candidate((("model.name", "a"),), ((rate, 0.05),), {900: 4.5, 901: None})]
    view = with_looks(
        replace(
            made,
            looks=(2, 3),
            tuning=Tuning(candidates),
            guard=Guard(declared=Declared(nuisance=("seed", rate)), differences=()),
        )
    )
    folder = tmp_path / "studies" / "depth"
    write_study(view, folder)
    found = read_study(folder)
    assert claims_record(found) == claims_record(view)
    assert results_table(found).equals(results_table(view))
    assert (found.looks, found.complete, found.claims) == (view.looks, view.complete, view.claims)
    assert found.tuning == view.tuning
    assert found.guard == view.guard
    assert found.missing == view.missing


def test_a_run_that_this_version_cannot_read_is_the_one_that_was_planned(tmp_path: Path) -> None:
    view, folder = make_study(tmp_path, models=("a", "b")), tmp_path / "studies" / "depth"
    write_study(view, folder)
    stored = view.runs[1].directory.config
    stored.write_text("later: {field: 1}\n" + stored.read_text("utf-8"), encoding="utf-8")
    assert results_table(read_study(folder)).equals(results_table(view))
