"""Names and texts of users stand in the page as they are typed, and nothing of them is run."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from pathlib import Path

import pytest
from browser import needs_chromium, opened
from report_runs import config_of, make_study

from vgglab.report import write_report
from vgglab.study import StudyView

RUN_ME = "document.documentElement.dataset.ran='yes'"
PLANTED = f'</title></svg><script>{RUN_ME}</script><img src=x onerror="{RUN_ME}">&amp;'
PLACES = ("name", "asks", "paper", "claim", "class", "remedy", "host", "field")


def planted(place: str) -> str:
    return f"{place}{PLANTED}"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """A study of which every text that a user, a folder or a machine decides is planted."""
    root = tmp_path_factory.mktemp("planted")
    view = make_study(root, name=planted("name"), asks=planted("asks"), paper=planted("paper"))
    diverged = next(run for run in view.runs if run.status.state == "diverged")
    # A run says the name of a class folder, which anybody may have made, where it fails on it.
    diverged.status.reason = f"photos/{planted('class')}: a class without images"
    runs = []
    for run in view.runs:
        run.result["hardware"]["host"] = planted("host")
        run.result["trainability"]["remedies"] = [planted("remedy")]
        if run.config.model.name == "b_5x5":  # what differs is shown of each run
            parent = {"name": "from_run", "parent": {"seed": planted("field")}}
            config = config_of("b_5x5", run.config.seed, init=parent)
            runs.append(dataclasses.replace(run, config=config))
        else:
            runs.append(run)
    claims = {
        name: dataclasses.replace(claim, statement=planted("claim"))
        for name, claim in view.claims.items()
    }
    return dataclasses.replace(view, runs=runs, claims=claims)


@pytest.fixture(scope="module")
def page(study: StudyView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(study, tmp_path_factory.mktemp("page"))


@pytest.mark.slow
def test_only_our_own_tags_are_in_the_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<img" not in text
    shown = unescape(re.sub(r"<[^>]*>", " ", text))
    for place in PLACES:
        assert planted(place) in shown, place


@pytest.mark.slow
def test_markdown_has_no_tag_of_theirs(page: Path) -> None:
    text = page.with_name("report.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<(script|img|/title)", text)
    assert "\\<script" in text


@pytest.mark.slow
@needs_chromium
def test_a_browser_runs_nothing_of_it(page: Path) -> None:
    assert 'data-ran="yes"' not in opened(page.as_uri())
    # The same text, not escaped, is run: so the browser would have shown it.
    open_page = page.with_name("open.html")
    open_page.write_text(f"<!doctype html><title>x{PLANTED}", encoding="utf-8")
    assert 'data-ran="yes"' in opened(open_page.as_uri())
