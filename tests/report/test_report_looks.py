"""The section on declarations, looks and the placebo."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import study_points
from report_runs import make_study
from study_points import net

from vgglab.report import write_report
from vgglab.report.blocks import Bullets, Paragraph, Section, Table
from vgglab.report.looks import _what_it_means, _why_open, looks_section
from vgglab.report.results import results_of
from vgglab.report.screen import screen_lines
from vgglab.runs import State
from vgglab.study import StudyView, claims_record
from vgglab.study.declared import DeclaredLine, plain_claims
from vgglab.study.ledger import LookedAt, LookLine
from vgglab.study.placebo import SHIFT, null_pair


def declared(view: StudyView, seen: int, margin: float = 0.5) -> DeclaredLine:
    claims = plain_claims(view.claims)
    claims["lrn"]["margin"] = margin
    return DeclaredLine(
        time=0.0,
        commit="0123456789abcdef",
        hash="",
        looks=view.looks,
        claims=claims,
        runs_seen=dict.fromkeys(claims, (seen, 6)),
    )


def line(look: int | None, seeds: tuple[int, ...], word: str) -> LookLine:
    claims = {"lrn": LookedAt(seeds=seeds, word=word, alpha_spent=0.02)}
    return LookLine(time=0.0, look=look, seeds=seeds, claims=claims, minutes=1.5, runs=4)


def study(tmp_path: Path) -> StudyView:
    made = make_study(tmp_path, models=("a", "a_lrn"))
    lrn = dataclasses.replace(made.claims["lrn"], margin=0.5, margin_share=0.0)
    return dataclasses.replace(made, claims={**made.claims, "lrn": lrn})


def section(view: StudyView) -> Section:
    found = looks_section(results_of(view), claims_record(view))
    assert found is not None
    return found


def said(found: Section) -> str:
    """All sentences of a section."""
    parts: list[str] = []
    for block in found.blocks:
        parts += block.items if isinstance(block, Bullets) else []
        parts += [block.text] if isinstance(block, Paragraph) else []
        parts += [block.caption] if isinstance(block, Table) else []
    return "\n".join(parts)


def rows(found: Section, first: str) -> list[list[str]]:
    """The cells of the table whose first column has this name."""
    (table,) = [b for b in found.blocks if isinstance(b, Table) and b.columns[0] == first]
    return [[cell.text for cell in row] for row in table.cells]


def test_a_study_that_was_never_launched_or_looked_at_has_none(tmp_path: Path) -> None:
    view = study(tmp_path)
    assert looks_section(results_of(view), claims_record(view)) is None


def test_looks_with_their_runs_minutes_and_words(tmp_path: Path) -> None:
    view = dataclasses.replace(
        study(tmp_path), looks=(2, 3), complete=1, ledger=[line(1, (0, 1), "supported")]
    )
    found = section(view)
    assert "Looks were declared at 2 and 3 seeds." in said(found)
    assert "Look 1 of 2 is complete, with 2 seeds and 4 of the 6 runs" in said(found)
    assert rows(found, "look") == [["1", "2", "4", "1.5", "lrn: supported"]]


def test_in_the_middle_of_the_first_look_there_is_no_word(tmp_path: Path) -> None:
    view = dataclasses.replace(study(tmp_path), looks=(2, 3))
    assert "no claim has its word" in said(section(view))


def test_looking_again_without_declared_looks_is_counted(tmp_path: Path) -> None:
    ledger = [line(None, (0, 1), "inconclusive"), line(None, (0, 1, 2), "inconclusive")]
    view = dataclasses.replace(study(tmp_path), ledger=ledger)
    assert "A claim was judged 2 times" in said(section(view))
    assert [row[-1] for row in rows(section(view), "look")] == ["none", "none"]


def test_a_margin_changed_after_the_runs_shows_beside_its_claim(tmp_path: Path) -> None:
    plain = study(tmp_path)
    view = dataclasses.replace(plain, declared=[declared(plain, 0, 0.2), declared(plain, 6)])
    ((claim, mark, *_),) = rows(section(view), "claim")
    assert claim == "lrn"
    assert mark == (
        "declared before its runs; margin was 0.2 when declared, changed to 0.5 after 6 of 6 runs"
    )
    assert "first declared on 1 January 1970, 00:00 UTC at commit 0123456789ab" in said(
        section(view)
    )


def test_the_placebo_has_a_row_a_sentence_and_its_record(tmp_path: Path) -> None:
    plain = study(tmp_path)
    null = []
    for run in plain.runs:
        if run.config.model.name == "a":
            config = dataclasses.replace(run.config, seed=run.config.seed + 1000)
            null.append(dataclasses.replace(run, config=config))
    view = dataclasses.replace(plain, placebo=null)
    ((name, seeds, _, word),) = rows(section(view), "placebo")
    assert name.startswith("A ")
    assert (seeds, word) == ("3 seeds and 3", "not shown")
    assert "smaller than about that could not have been shown" in said(section(view))
    page = write_report(view, tmp_path / "out")
    assert json.loads((page.parent / "claims.json").read_text())["placebo"]["mean"] == 0.0
    assert 'id="looks"' in page.read_text(encoding="utf-8")


def test_points_that_are_not_needed_are_not_among_those_that_lack_a_result(tmp_path: Path) -> None:
    plain = make_study(tmp_path, models=("d",))
    view = dataclasses.replace(
        plain, missing=[dataclasses.replace(p, is_needed=False) for p in plain.missing]
    )
    folder = write_report(view, tmp_path / "out").parent
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "2 of 3 points finished; 1 not needed." in text
    assert "Points that have not finished" not in text
    # All that were asked for have trained: nothing is lacking over the marks of the figure.
    assert "| 2 of 2 (1 not needed) |" in text
    assert "Where seeds are lacking" not in text
    record = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    (net,) = [row for row in screen_lines(view, record) if row.startswith("D ")]
    assert " of 3 " not in net


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (State.DIVERGED, "fewer than two seeds of a side that trained"),
        (State.RUNNING, "its runs are not all in"),
    ],
)
def test_a_placebo_without_an_interval_says_why(state: State, why: str) -> None:
    """All runs of one that had diverged were said not to be in."""
    arm = [study_points.run("a", SHIFT, None, state=state), study_points.run("a", SHIFT + 1, 9.1)]
    null = null_pair(dataclasses.replace(study_points.view(*net("a", 9.0, seeds=2)), placebo=arm))
    assert null is not None
    assert why in _what_it_means(None, None, _why_open(null))


def test_a_placebo_that_a_look_by_itself_would_show_is_told_as_such() -> None:
    assert "This look by itself would show" in _what_it_means((-0.2, -0.02), "not shown", "")
    assert "This look by itself would show" not in _what_it_means((-0.2, 0.02), "not shown", "")
