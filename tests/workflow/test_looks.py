"""The files of a study's looks, and its budget."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import study_points
from study_points import missing, net

from vgglab.config.claims import Claims, parse_claims
from vgglab.runs import Status
from vgglab.runs.status import Attempt
from vgglab.study import StudyView
from vgglab.study.looking import minutes_by_look, with_looks
from vgglab.study.stored import (
    CONTROL_LEDGER,
    DECLARED,
    LEDGER,
    read_control_ledger,
    read_declared,
    read_ledger,
)
from vgglab.workflow.looks import (
    declare,
    is_over_budget,
    note_looks,
)


def claims(margin: float = 0.001) -> Claims:
    alike = {
        "statement": "A and B do not differ",
        "direction": "equal",
        "compare": [{"model.name": "a"}, {"model.name": "b"}],
        "margin": margin,
        "margin_reason": "too small to be shown",
    }
    return parse_claims({"alike": alike})


def study(seeds: int, margin: float = 0.001) -> StudyView:
    """So many of three seeds of A and B are trained, a minute each, one after the other."""
    runs = []
    for model in "ab":
        for seed, found in enumerate(net(model, 9.0, seeds=seeds)):
            begun = 60.0 * (2 * seed + "ab".index(model)) + 1_000_000
            history = [Attempt(started=begun, ended=begun + 60)]
            status = Status(state=found.state, history=history)
            runs.append(dataclasses.replace(found, status=status))
    waiting = [missing(model, seed) for model in "ab" for seed in range(seeds, 3)]
    return study_points.view(*runs, *waiting, claims=claims(margin))


def looked(seeds: int) -> StudyView:
    return with_looks(dataclasses.replace(study(seeds), looks=(2, 3)))


def test_minutes_are_those_of_complete_looks_and_of_what_was_trained_for_the_study() -> None:
    assert minutes_by_look(looked(2)) == [4.0]
    assert minutes_by_look(looked(3)) == [4.0, 2.0]
    assert minutes_by_look(study(3)) == [6.0]


def test_a_budget_is_over_after_a_look_that_took_it_and_never_before_the_first() -> None:
    assert is_over_budget(looked(2), 4.0)
    assert not is_over_budget(looked(2), 4.5)
    assert not is_over_budget(looked(2), 0)
    assert not is_over_budget(looked(0), 0.1)


def test_what_is_asked_is_declared_once_and_again_when_it_changes(tmp_path: Path) -> None:
    assert len(declare(study(0), tmp_path).declared) == 1
    assert len(declare(study(2), tmp_path).declared) == 1
    told = {name: dataclasses.replace(c, about="depth") for name, c in claims().items()}
    assert len(declare(dataclasses.replace(study(2), claims=told), tmp_path).declared) == 1
    changed = declare(study(2, margin=2.0), tmp_path)
    assert [line.runs_seen["alike"] for line in changed.declared] == [(0, 6), (4, 6)]
    assert changed.declared == read_declared(tmp_path)
    assert changed.declared[0].hash != changed.declared[1].hash
    assert len((tmp_path / DECLARED).read_text(encoding="utf-8").splitlines()) == 2


def test_a_look_is_entered_once_and_another_one_too(tmp_path: Path) -> None:
    assert note_looks(looked(1), tmp_path).ledger == []
    for _ in range(2):
        assert [line.look for line in note_looks(looked(2), tmp_path).ledger] == [1]
    assert [line.look for line in note_looks(looked(3), tmp_path).ledger] == [1, 2]
    assert len((tmp_path / LEDGER).read_text(encoding="utf-8").splitlines()) == 2


def test_a_study_without_looks_has_a_line_for_each_number_of_seeds(tmp_path: Path) -> None:
    complete = [dataclasses.replace(study(seeds), missing=()) for seeds in (2, 2, 3)]
    for view in (study(2), *complete):  # the first still waits for runs
        note_looks(view, tmp_path)
    assert [(line.look, line.runs) for line in read_ledger(tmp_path)] == [(None, 4), (None, 6)]


def test_control_runs_have_a_ledger_of_their_own(tmp_path: Path) -> None:
    """Their words are looked at whenever a report is written, as the study's are."""
    complete = dataclasses.replace(study(3), missing=())
    assert note_looks(complete, tmp_path).control_ledger == []
    assert not (tmp_path / CONTROL_LEDGER).exists()
    for seeds in (2, 2, 3):
        control = [*study(seeds).runs]
        note_looks(dataclasses.replace(complete, control=control), tmp_path)
    assert [line.runs for line in read_control_ledger(tmp_path)] == [4, 6]
    assert [line.runs for line in read_ledger(tmp_path)] == [6]
    waiting = dataclasses.replace(complete, control=study(2).points)
    assert len(note_looks(waiting, tmp_path).control_ledger) == 2
