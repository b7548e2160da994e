"""Tables and figures for print and for other programs: LaTeX, CSV, JSON; PDF and SVG."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from study_points import net, view

from vgglab.config.claims import BestPlace, Claim
from vgglab.report.charts import ERROR_COLUMNS
from vgglab.report.claims_table import COLUMNS as CLAIM_COLUMNS
from vgglab.report.export import export
from vgglab.report.latex import claims_latex, errors_latex, escaped, supported_best
from vgglab.report.results import results_of
from vgglab.study import ClaimsFile, StudyView, claims_record


@pytest.fixture(scope="session")
def judged(whole_study: StudyView) -> ClaimsFile:
    return claims_record(whole_study)


def beats(first: str, *others: str) -> Claim:
    compare = tuple({"model.name": name} for name in (first, *others))
    return Claim(statement=f"{first} is better", direction="lower", compare=compare)


def best_of(*claims: Claim, errors: tuple[float, ...] = (9.0, 7.0, 5.0)) -> str | None:
    """The net that is bold in the table of A, B and C, which have these errors."""
    runs = [r for name, error in zip("abc", errors, strict=True) for r in net(name, error)]
    study = view(*runs, claims={f"claim_{i}": claim for i, claim in enumerate(claims)})
    results = results_of(study)
    record = json.loads(json.dumps(claims_record(study)))["claims"]
    best = supported_best(results, results.summaries, record)
    return best.model if best else None


def test_the_best_is_bold_only_where_claims_say_so() -> None:
    assert best_of(beats("c", "a", "b")) == "c"
    assert best_of(beats("c", "a"), beats("c", "b")) == "c"
    assert best_of() is None
    assert best_of(beats("c", "a")) is None  # nothing was asked of B
    assert best_of(beats("b", "a"), beats("b", "c")) is None  # of which one is contradicted
    assert best_of(beats("c", "a", "b"), errors=(9.0, 5.005, 5.0)) is None  # inconclusive


def test_a_net_in_the_place_of_the_least_error_is_bold() -> None:
    compare = tuple({"model.name": name} for name in "abc")

    def least(best: BestPlace) -> Claim:
        return Claim(statement="s", direction="best_at", compare=compare, best=best)

    errors = (9.0, 5.0, 7.0)  # of 11, 13 and 16 weight layers
    assert best_of(least(BestPlace(at=13)), errors=errors) == "b"
    assert best_of(least(BestPlace(at=16)), errors=errors) is None  # contradicted
    assert best_of(least(BestPlace(at_or_beyond=13)), errors=errors) is None  # says too little


def test_of_nets_in_one_place_or_within_the_margin_none_is_bold() -> None:
    """The claim has compared neither C with D, which both have 16 weight layers, nor B with them
    where the margin takes it in."""

    def bold(nets: str, errors: tuple[float, ...], **fields: Any) -> str | None:
        compare = tuple({"model.name": name} for name in nets)
        best = BestPlace(at=16)
        claim = Claim(statement="s", direction="best_at", compare=compare, best=best, **fields)
        runs = [r for name, e in zip(nets, errors, strict=True) for r in net(name, e)]
        study = view(*runs, claims={"mine": claim})
        results, record = results_of(study), claims_record(study)["claims"]
        assert [claim["verdict"] for claim in record] == ["supported"]
        found = supported_best(results, results.summaries, record)
        return found.model if found else None

    assert bold("abde", (9.0, 8.0, 5.0, 12.0)) == "d"
    assert bold("abcde", (9.0, 8.0, 5.03, 5.0, 12.0)) is None
    near: dict[str, Any] = {"margin": 3.0, "margin_reason": "because"}
    assert bold("abde", (9.0, 5.5, 5.0, 12.0), **near) is None


def test_errors_are_printed_with_half_their_interval(
    whole_study: StudyView, judged: ClaimsFile
) -> None:
    results = results_of(whole_study)
    text = errors_latex(results, judged)
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1
    rows = re.findall(r"^    (.*) \\\\$", text, flags=re.M)
    assert {row.count(" & ") for row in rows} == {4}
    (of_b,) = (row for row in rows if row.startswith("{}B & 13"))
    top1 = next(s.top1 for s in results.summaries if s.arm.model == "b")
    assert top1 is not None
    assert top1.interval is not None
    half = top1.interval[1] - top1.mean
    assert rf"& 3/3 & ${top1.mean:.2f} \pm {half:.2f}$ &" in of_b
    (of_e,) = (row for row in rows if row.startswith("{}E & 19"))
    assert "& 2/3 &" in of_e
    assert r"\textbf" not in text
    assert "No net is bold" in text


def test_claims_are_printed_with_their_words(judged: ClaimsFile) -> None:
    rows = re.findall(r"^    (.*) \\\\$", claims_latex(judged), flags=re.M)[1:]
    assert len(rows) == len(judged["claims"])
    for row, claim in zip(rows, judged["claims"], strict=True):
        cells = row.split(" & ")
        assert len(cells) == 6
        assert cells[-1].startswith(claim["verdict"])


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({}, "no claim was judged: there is no table of claims"),
        (
            {"deeper": beats("d", "e")},
            "no claim was judged; 1 claim could not be asked of its points: there is no table of "
            "claims",
        ),
    ],
)
def test_a_study_without_claims_prints_no_empty_table(claims: dict[str, Claim], said: str) -> None:
    study = view(*net("a", 9.0), claims=claims)
    assert claims_latex(claims_record(study)) == f"% {study.name}: {said}\n"


def test_special_characters_are_escaped() -> None:
    assert escaped("a_b & 5% of #1 {x} $y ^~\\ <\N{MINUS SIGN}2>") == (
        r"a\_b \& 5\% of \#1 \{x\} \$y \textasciicircum{}\textasciitilde{}\textbackslash{} "
        r"\textless{}$-$2\textgreater{}"
    )


@pytest.fixture(scope="session")
def printed(
    whole_study: StudyView, judged: ClaimsFile, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The folder of a study with its LaTeX, and what the command prints of it."""
    folder = tmp_path_factory.mktemp("printed")
    return folder / "print", export(whole_study, judged, folder, "latex", 90.0)


@pytest.mark.slow
def test_figures_have_the_width_of_a_column(printed: tuple[Path, str]) -> None:
    folder, _ = printed
    names = {path.stem for path in folder.glob("*.pdf")}
    assert {"error_vs_depth", "differences", "curves"} <= names
    assert names == {path.stem for path in folder.glob("*.svg")}
    points = 90 / 25.4 * 72
    svg = (folder / "error_vs_depth.svg").read_text(encoding="utf-8")
    assert float(re.findall(r'<svg[^>]* width="([0-9.]+)pt"', svg)[0]) == pytest.approx(points)
    pdf = (folder / "error_vs_depth.pdf").read_bytes()
    box = re.findall(rb"/MediaBox \[ 0 0 ([0-9.]+)", pdf)[0]
    assert float(box) == pytest.approx(points)
    assert b"CreationDate" not in pdf


@pytest.mark.slow
def test_the_same_study_gives_the_same_files(
    printed: tuple[Path, str], whole_study: StudyView, judged: ClaimsFile, tmp_path: Path
) -> None:
    (tmp_path / "print").mkdir()
    (tmp_path / "print" / "of_an_earlier_report.pdf").touch()
    export(whole_study, judged, tmp_path, "latex", 90.0)
    found = {path.name: path.read_bytes() for path in (tmp_path / "print").iterdir()}
    assert found == {path.name: path.read_bytes() for path in printed[0].iterdir()}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_the_tables_compile(printed: tuple[Path, str], tmp_path: Path) -> None:
    folder, text = printed
    every = "".join(f" {escaped(chr(code))}" for code in range(32, 127))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass[twocolumn]{article}\n\\usepackage{booktabs,graphicx}\n"
        f"\\begin{{document}}\n{text}\n{every}\n"
        f"\\includegraphics{{{folder}/error_vs_depth.pdf}}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    ended = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
    assert "Missing character" not in ended.stdout


@pytest.mark.slow
def test_csv_is_a_table_a_file_and_errors_on_the_screen(
    whole_study: StudyView, judged: ClaimsFile, tmp_path: Path
) -> None:
    text = export(whole_study, judged, tmp_path, "csv", 90.0)
    rows = list(csv.reader(io.StringIO(text)))
    assert tuple(rows[0]) == ERROR_COLUMNS
    assert len(rows) == 1 + 7
    folder = tmp_path / "print"
    assert (folder / "errors.csv").read_text(encoding="utf-8") == text
    claims = list(csv.reader(io.StringIO((folder / "claims.csv").read_text(encoding="utf-8"))))
    assert claims[0] == list(CLAIM_COLUMNS)
    assert len(claims) == 1 + len(judged["claims"])
    assert (folder / "runs.csv").exists()


@pytest.mark.slow
def test_json_is_one_document_with_the_version_of_its_keys(
    whole_study: StudyView, judged: ClaimsFile, tmp_path: Path
) -> None:
    text = export(whole_study, judged, tmp_path, "json", 90.0)
    document = json.loads(text)
    assert list(document) == [
        "schema", "study", "asks", "confidence", "looks", "errors", "claims", "runs", "not_asked",
    ]  # fmt: skip
    assert document["schema"] == 1
    assert [c["word"] for c in document["claims"]] == [c["verdict"] for c in judged["claims"]]
    assert tuple(document["errors"][0]) == ERROR_COLUMNS
    pending = next(row for row in document["runs"] if row["state"] == "pending")
    assert pending["top1_error"] is None
    assert (tmp_path / "print" / "tables.json").read_text(encoding="utf-8") == text


def test_rows_that_begin_with_a_bracket_or_a_star_are_rows_of_their_own() -> None:
    sides = ({"model.name": "b"}, {"model.name": "a"})
    claims = {
        name: Claim(statement=statement, direction="lower", compare=sides)
        for name, statement in (("one", "[2pt] b is better"), ("two", "* b is better"))
    }
    record = claims_record(view(*net("a", 9.0), *net("b", 7.0), claims=claims))
    text = claims_latex(record)
    assert r"\midrule" + "\n    {}[2pt] b" in text
    assert "\\\\\n    {}* b" in text
    assert text.startswith("% needs \\usepackage{booktabs}\n\\begin")


def test_what_pdflatex_does_not_print_is_said() -> None:
    claim = Claim(
        statement="\N{GREEK SMALL LETTER OMEGA} is lower",
        direction="lower",
        compare=({"model.name": "b"}, {"model.name": "a"}),
    )
    record = claims_record(view(*net("a", 9.0), *net("b", 7.0), claims={"one": claim}))
    assert (
        claims_latex(record).splitlines()[1] == "% has text beyond ASCII: needs lualatex or xelatex"
    )
