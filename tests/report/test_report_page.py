from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_runs import config_of, make_study

from vgglab.report import write_report
from vgglab.study import MissingPoint, StudyView


class Page(HTMLParser):
    """Ids, links and the text of a page; fails on tags that do not match."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def html(study: StudyView, folder: Path) -> Page:
    return Page(write_report(study, folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full(whole_report: Path) -> Page:
    return Page(whole_report.read_text(encoding="utf-8"))


def sections(page: Page) -> list[str]:
    known = (
        "found",
        "claims",
        "depth",
        "differences",
        "cost",
        "curves",
        "errors",
        "setup",
        "runs",
        "method",
    )
    return [name for name in page.ids if name in known]


def test_asks_nothing_of_the_network(full: Page, whole_report: Path) -> None:
    loading = {"src", "srcset", "href", "xlink:href", "data", "action", "poster"}
    targets = [value for _, name, value in full.attributes if name in loading]
    assert targets
    assert [t for t in targets if "://" in t or t.startswith("//")] == []
    assert not re.search(r"@import|<script|url\((?!#)", whole_report.read_text(encoding="utf-8"))


def test_links_of_runs_lead_to_their_folders(full: Page, whole_report: Path) -> None:
    links = [v for tag, name, v in full.attributes if tag == "a" and name == "href"]
    runs = [link for link in links if not link.startswith("#")]
    assert len(runs) == 20  # of 21 points, one has no folder
    assert all((whole_report.parent / link / "config.yaml").exists() for link in runs)
    assert {link[1:] for link in links if link.startswith("#")} <= set(full.ids)


def test_no_id_is_there_twice(full: Page) -> None:
    assert sorted(full.ids) == sorted(set(full.ids))


def test_strings_of_users_are_text(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script> & $\\alpha$ | a`b"
    study = make_study(tmp_path, models=("a", "b"), name=evil, asks=evil, paper=evil)
    page = html(study, tmp_path / "out")
    assert evil in page.text
    assert "script" not in {tag for tag, _, _ in page.attributes}
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<script", markdown)
    assert "\\| a\\`b" in markdown


def test_says_how_many_finished_and_why_others_did_not(full: Page) -> None:
    text = full.text
    assert "19 of 21 points finished; 1 pending, 1 diverged." in text
    assert "e-bn-s2-0123456789abcdef diverged loss is not finite at step 900" in text
    assert "2 of 3 (1 diverged)" in text
    assert "1 of its runs have no outcome yet" in text  # of D


def test_sections_without_data_are_left_out(tmp_path: Path) -> None:
    lrn = html(make_study(tmp_path, models=("a", "a_lrn")), tmp_path / "lrn")
    assert sections(lrn) == [
        "found", "claims", "differences", "errors", "cost", "curves", "setup", "runs", "method",
    ]  # fmt: skip
    alone = dataclasses.replace(make_study(tmp_path / "a", models=("a",)), claims={})
    assert sections(html(alone, tmp_path / "alone"))[0] == "claims"


def test_all_sections(tmp_path: Path) -> None:
    study = make_study(tmp_path, models=("a", "a_lrn", "b", "b_5x5"), norms=("none", "batch"))
    page = html(with_dense_tests(study), tmp_path / "out")
    assert sections(page) == [
        "found", "claims", "depth", "differences", "errors", "cost", "curves", "setup", "runs",
        "method",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_first_protocols_figure_opens_the_page_and_the_others_come_later(
    tmp_path: Path,
) -> None:
    study = with_dense_tests(make_study(tmp_path, models=("a", "b")))
    opening, _, later = html(study, tmp_path / "out").text.partition(" No claim was put ")
    assert "Of protocol center. Each small dot" in opening
    assert "the paper's nets on other data" in opening
    assert "Error against depth, other settings protocol dense" in later
    figures = {path.stem for path in (tmp_path / "out" / "figures").glob("error_vs_depth*.png")}
    assert figures == {"error_vs_depth", "error_vs_depth_2"}


def with_dense_tests(study: StudyView) -> StudyView:
    """The study, of which every run was tested by dense evaluation too."""
    for run in study.runs:
        if "center" in run.result["errors"]:
            run.result["errors"]["dense"] = run.result["errors"]["center"]
    return study


def test_nothing_has_run_yet(tmp_path: Path) -> None:
    asked = make_study(tmp_path, models=("b", "c"))
    missing = [MissingPoint(run.id, run.config) for run in asked.runs]
    study = dataclasses.replace(asked, runs=(), missing=missing)
    page = html(study, tmp_path / "out")
    assert "0 of 6 points finished; 6 pending." in page.text
    assert "6 of its runs have no outcome yet" in page.text
    assert (tmp_path / "out" / "figures").is_dir()


def test_markdown_and_page_have_the_same_numbers(full: Page, whole_report: Path) -> None:
    markdown = whole_report.with_name("report.md").read_text(encoding="utf-8")
    intervals = re.compile(r"[+\N{MINUS SIGN}]\d+\.\d+ to [+\N{MINUS SIGN}]\d+\.\d+")
    assert len(intervals.findall(markdown)) > 5
    assert intervals.findall(markdown) == intervals.findall(full.text)


def test_the_papers_numbers_are_said_to_be_of_another_data_set(full: Page) -> None:
    text = full.text
    assert "A-LRN 11 29.7 10.5" in text
    assert "another data set. ImageNet" in text
    assert "A-LRN 29.7, A 29.6; section 4.1, Table 3" in text


@pytest.mark.slow
def test_unequal_recipes_are_named(tmp_path: Path) -> None:
    study = make_study(tmp_path, models=("a", "b"))
    slower = [
        dataclasses.replace(
            run, config=config_of("b", run.config.seed, recipe={"learning_rate": 0.01})
        )
        if run.config.model.name == "b"
        else run
        for run in study.runs
    ]
    study = dataclasses.replace(study, runs=slower)
    text = html(study, tmp_path / "out").text
    assert "recipe.learning_rate: 0.05 (A), 0.01 (B)" in text
    assert "Not equal in all nets" in text
