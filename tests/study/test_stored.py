"""``study.json``: a study read back from its folder is judged as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from report_runs import config_of, make_study, write_run

from vgglab.config import semantic_fields
from vgglab.config.claims import parse_claims
from vgglab.report import Figure, write_report
from vgglab.runs import RunRecord, load_run
from vgglab.study import (
    Candidate,
    Declared,
    Guard,
    MissingPoint,
    StudyView,
    Tuning,
    claims_record,
    compare,
    net_of,
    results_table,
)
from vgglab.study.looking import with_looks
from vgglab.study.stored import read_study, write_study

RATE = "recipe.learning_rate"


CLAIMS = {
    "deeper": {
        "statement": "B has a lower error than A",
        "direction": "lower",
        "compare": [{"model.name": "b"}, {"model.name": "a"}],
    }
}


def whole_study(root: Path) -> StudyView:
    """A study with all that one can have: tuned, controlled, with a null arm and a confound."""
    made = make_study(root, models=("a", "b"))

    def also(model: str, seed: int, rate: float) -> RunRecord:
        folder, known = root / "runs" / f"{model}-bn-s{seed}-{rate}", seed % 1000
        write_run(folder, config_of(model, known, recipe={"learning_rate": rate}))
        path = folder / "config.yaml"
        text = path.read_text("utf-8").replace(f"\nseed: {known}\n", f"\nseed: {seed}\n")
        path.write_text(text, "utf-8")
        return load_run(folder)

    null = [also("a", 1000 + seed, 0.05) for seed in (0, 1)]
    control = [also(run.config.model.name, run.config.seed, 0.02) for run in made.runs]
    nets = {net_of(point.config, (RATE,)): point for point in made.points}
    tuning = Tuning(
        [
            Candidate(net, ((RATE, rate),), {900: 5.0 + i + 10 * rate})
            for i, net in enumerate(nets)
            for rate in (0.02, 0.05)
        ]
    )
    facts = {
        point.id: semantic_fields(point.config)
        | {"code.torch": "2.14" if i else None, "odd": 0.5 * i}
        for i, point in enumerate(made.points)
    }
    declared = Declared(scientific=("model.name",), nuisance=("seed", RATE), tied=("model.blocks",))
    late = MissingPoint("a-bn-s1002-late", config_of("a", 1002))
    return with_looks(
        replace(
            made,
            claims=parse_claims(CLAIMS),
            looks=(2, 3),
            tuning=tuning,
            control=control,
            placebo=[*null, late],
            guard=compare(facts, declared, allowed=True),
        )
    )


def test_what_is_read_back_is_reported_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, drawn in (("svg", "<svg></svg>"), ("png", b"")):  # drawing takes seconds
        monkeypatch.setattr(Figure, part, drawn)
    view, folder = whole_study(tmp_path), tmp_path / "studies" / "depth"
    write_study(view, folder)
    write_report(view, folder)
    names = ("claims.json", "report.md", "report.html", "results.csv")
    printed = {name: (folder / name).read_bytes() for name in names}
    found = read_study(folder)
    assert found.guard == view.guard
    assert found.tuning == view.tuning
    for arm in ("placebo", "control"):
        assert list(getattr(found, arm)) == list(getattr(view, arm))
    write_report(found, folder)
    assert {name: (folder / name).read_bytes() for name in names} == printed
    record = json.loads(printed["claims.json"])
    assert record["placebo"]["other_seeds"]
    assert record["tuning"]["words"]
    assert b"study.allow_confounds=true" in printed["report.md"]


def test_a_study_of_the_first_version_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    view, folder = whole_study(tmp_path), tmp_path / "studies" / "depth"
    write_study(view, folder)
    stored = json.loads((folder / "study.json").read_text("utf-8"))
    for later in ("guard", "placebo", "control"):
        del stored[later]
    stored |= {"version": 1, "nuisance": ["seed", RATE]}
    (folder / "study.json").write_text(json.dumps(stored), "utf-8")
    found = read_study(folder)
    assert claims_record(found) == claims_record(view)
    assert found.guard == Guard(declared=Declared(nuisance=("seed", RATE)), differences=())
    assert not found.placebo


def test_no_home_is_told_of_a_point_that_has_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/jane.doe")
    planned = replace(make_study(tmp_path), runs=())
    config = planned.missing[0].config
    at_home = replace(config, paths=replace(config.paths, data="/home/jane.doe/data"))
    write_study(replace(planned, missing=[MissingPoint("a", at_home)]), tmp_path / "study")
    text = (tmp_path / "study" / "study.json").read_text("utf-8")
    assert "jane.doe" not in text
    assert '"data": "~/data"' in text


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
