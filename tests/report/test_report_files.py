from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from report_runs import make_study

from vgglab.report import write_report
from vgglab.report.write import _markdown_text
from vgglab.study import StudyView
from vgglab.study.claims.record import claims_record

FIGURES = ("error_vs_depth", "differences", "error_vs_cost", "error_vs_speed", "curves")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_writes_the_files_of_the_contract(whole_report: Path, study_root: Path) -> None:
    page = whole_report
    assert page == study_root / "studies" / "depth" / "report.html"
    assert set(contents(page.parent)) == {
        "report.html",
        "report.md",
        "results.csv",
        "claims.json",
        *(f"figures/{name}.{kind}" for name in FIGURES for kind in ("svg", "png")),
    }
    table = pd.read_csv(page.parent / "results.csv")
    assert len(table) == 21
    assert list(table.loc[table["top1_error"].isna(), "state"]) == ["pending", "diverged"]


def test_a_view_is_judged_once(whole_study: StudyView) -> None:
    assert claims_record(whole_study) is claims_record(whole_study)


@pytest.mark.slow
def test_the_same_study_gives_the_same_bytes(whole_study: StudyView, tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_report(whole_study, tmp_path / name)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


@pytest.mark.slow
def test_a_report_is_rewritten_in_place(tmp_path: Path) -> None:
    study = make_study(tmp_path, models=("a", "b"))
    first = write_report(study, tmp_path / "out").read_bytes()
    assert write_report(study, tmp_path / "out").read_bytes() == first


def test_needs_no_torch_and_no_wandb() -> None:
    code = "import sys, vgglab.report; print({'torch', 'wandb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_what_the_page_has_not_is_in_its_figures_no_more(tmp_path: Path) -> None:
    write_report(make_study(tmp_path / "wide", models=("a", "b", "c")), tmp_path / "out")
    figures = tmp_path / "out" / "figures"
    (figures / "of_a_user.txt").touch()
    assert (figures / "error_vs_depth.png").exists()
    write_report(make_study(tmp_path / "narrow", models=("a", "a_lrn")), tmp_path / "out")
    shown = re.findall(r"\(figures/(\w+)\.png", (tmp_path / "out" / "report.md").read_text("utf-8"))
    assert "error_vs_depth" not in shown
    assert {path.name for path in figures.iterdir()} == {
        "of_a_user.txt",
        *(f"{name}.{kind}" for name in shown for kind in ("png", "svg")),
    }


@pytest.mark.parametrize(
    "text",
    [
        "*a* _b_ __c__ ___d___ ~~e~~ ~f~ $g$ `h` [i] <j> k|l #m &amp; \\n",
        "_a b_c_ (_d_)_ _/e_ f__g__h __i_",
        "recipe.learning_rate=0.1 and recipe.learning_rate=0.2 in ~/runs and ~/some_data",
    ],
)
def test_markdown_prints_a_text_as_it_is(text: str) -> None:
    printed = MarkdownIt("commonmark").enable("strikethrough").render(_markdown_text(text))
    assert unescape(printed) == f"<p>{text}</p>\n"
    assert re.search(r"(?<!\\)\$", _markdown_text(text)) is None  # mathematics of GitHub's


def test_names_and_paths_can_be_found_in_the_page() -> None:
    text = "study.allow_confounds=true in ~/my_data"
    assert _markdown_text(text) == text
