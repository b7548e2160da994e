"""``task=diff``: two runs, two studies, and what it says of what it cannot compare."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from report_runs import make_study
from running import completed

from vgglab.checkout import NOTE
from vgglab.study.stored import write_study
from vgglab.workflow.compose import with_two_studies


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``runs/``, ``studies/old`` and ``studies/new`` of the same runs, and all of it again in
    ``other/``, computed by another torch; not to be changed."""
    root = tmp_path_factory.mktemp("two")
    view = make_study(root, models=("a", "b"))
    for name in ("old", "new"):
        write_study(view, root / "studies" / name)
    for path in (root / "runs").glob("*/status.json"):
        status = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(status | {"versions": {"torch": "2.1"}}), encoding="utf-8")
    shutil.copytree(root / "runs", root / "other" / "runs")
    shutil.copytree(root / "studies", root / "other" / "studies")
    for path in (root / "other" / "runs").glob("*/status.json"):
        path.write_text(path.read_text("utf-8").replace('"2.1"', '"2.2"'), encoding="utf-8")
    return root


def test_two_studies_that_differ_by_a_library(two: Path) -> None:
    ended = completed(two, "task=diff", "sweeps=[old,other/studies/new]")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "versions     torch  2.1   2.2\n" in ended.stdout
    assert "config: no field differs" in ended.stdout
    assert "Nothing moved by more than noise" in ended.stdout


def test_two_studies_of_other_source_say_where_it_is(two: Path, tmp_path: Path) -> None:
    shutil.copytree(two / "runs", tmp_path / "runs")
    shutil.copytree(two / "studies", tmp_path / "studies")
    for study, source in (("old", "5eed"), ("new", "feed")):
        note = tmp_path / "studies" / study / "source" / f"of-{study}" / NOTE
        note.parent.mkdir(parents=True)
        note.write_text(json.dumps({"source": source}))
    said = completed(tmp_path, "task=diff", "sweeps=[old,new]").stdout
    where = "diff -r studies/old/source/of-old studies/new/source/of-new"
    assert said.endswith(f"The source that each ran from: {where}\n")


def test_two_studies_as_a_document_and_as_rows(two: Path) -> None:
    studies = ("task=diff", "sweeps=[old,new]")  # names without a file in sweeps/
    found = json.loads(completed(two, *studies, "format=json").stdout)
    assert (found["compared"], found["shared"], found["moved"]) == ("studies", 6, [])
    assert found["finding"] == "Nothing could be tested: the same runs in both studies."
    table = list(csv.DictReader(io.StringIO(completed(two, *studies, "format=csv").stdout)))
    assert [row["name"] for row in table if row["what"] == "arm"] == [
        "a, batch, he",
        "b, batch, he",
    ]
    assert {row["word"] for row in table if row["what"] == "arm"} == {"shared"}


def test_two_runs_by_id_and_by_path(two: Path) -> None:
    run = "a-bn-s0-0123456789abcdef"
    ended = completed(two, "task=diff", f"run=[{run},b-bn-s1-0123456789abcdef]")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "scientific  model.name    a  b" in ended.stdout
    assert "no predictions are kept" in " ".join(ended.stdout.split())
    same = completed(two, "task=diff", f"run=[{run},other/runs/{run}]", "format=json")
    found = json.loads(same.stdout)
    assert found["ids"] == [run, run]
    assert [change["name"] for change in found["records"]] == ["torch"]
    assert [curve["parts_at"] for curve in found["curves"]] == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), "task=diff takes run=[A,B] or sweeps=[A,B]; got neither"),
        (("run=[a,b]", "sweeps=[a,b]"), "got both"),
        (("run=a",), "run=[a]: task=diff compares two: run=[A,B]; got 1"),
        (("run=[a,b,c]",), "got 3"),
        (("run=[a,b]",), "run=a: not in runs; task=runs lists those that are"),
        (("run=[other/x/y,b]",), "run=other/x/y: not in other/x"),
        (("sweeps=depth",), "sweeps=[depth]: task=diff compares two: sweeps=[A,B]; got 1"),
        (("sweeps=[old,lrn]",), "sweeps=lrn: was not launched, studies/lrn is not there: python "),
        (("sweeps=[old,x]",), "sweeps=x: no study in studies/x; in studies there are: new, old"),
        (("sweeps=[old,studies/old]",), "is one study; name two"),
        (("sweeps=old,new",), "sweeps=old,new: two studies are a list: sweeps=[old,new]"),
        (("-m", "sweeps=[old,new]"), "task=diff: works on a whole study; leave out -m"),
        (("sweeps=[old,new]", "format=latex"), "task=diff prints table, json or csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_compared_ends_in_one_line(
    overrides: tuple[str, ...], message: str, two: Path
) -> None:
    ended = completed(two, "task=diff", *overrides)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_study_without_its_runs_and_a_damaged_one(two: Path, tmp_path: Path) -> None:
    shutil.copytree(two / "studies", tmp_path / "studies")
    ended = completed(tmp_path, "task=diff", "sweeps=[old,new]")
    assert ended.returncode == 2
    assert "sweeps=old: none of its 6 runs has begun, or they no longer lie where" in ended.stderr
    (tmp_path / "studies" / "old" / "study.json").write_text("{", encoding="utf-8")
    ended = completed(tmp_path, "task=diff", "sweeps=[old,new]")
    assert ended.returncode == 2
    assert "studies/old/study.json: damaged" in ended.stderr


def test_only_of_this_task_a_list_of_sweeps_is_two_studies() -> None:
    assert with_two_studies(["task=diff", "sweeps=[a,b]"]) == ["task=diff", "studies=[a,b]"]
    for others in (["task=report", "sweeps=[a,b]"], ["-m", "sweeps=a"], ["task=diff", "run=[a,b]"]):
        assert with_two_studies(others) == others
