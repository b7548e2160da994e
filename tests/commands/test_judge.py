"""``task=bundle`` and ``task=judge``: a study in one file, its words anew in an empty folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from judged_runs import change_json, write_judged_study
from running import completed

from vgglab.commands.bundle import bundle
from vgglab.commands.judge import judge
from vgglab.commands.main import with_bundle
from vgglab.config import Config
from vgglab.config.parse import ConfigError, parse

WORDS = [
    ["deeper", "supported", "supported", "same"],
    ["first_norm", "not", "asked", "not", "asked", "same"],
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``runs/`` and ``studies/depth/`` in a folder; not to be changed."""
    root = tmp_path_factory.mktemp("made")
    write_judged_study(root)
    return root


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the same, in which a command is typed."""
    root = tmp_path / "here"
    shutil.copytree(made, root)
    monkeypatch.chdir(root)
    return root


def config(task: str, study: str = "depth", **fields: Any) -> Config:
    return parse({"task": {"name": task}, "study": {"name": study}, **fields})


@pytest.mark.slow
def test_a_bundle_is_judged_where_nothing_else_is(here: Path) -> None:
    made = completed(here, "task=bundle", "sweeps=depth")
    assert made.returncode == 0, made.stderr
    path = here / "studies" / "depth" / "depth.bundle.zip"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert made.stdout.splitlines() == [
        "studies/depth/depth.bundle.zip: 1 word (1 claim not asked), 6 runs, 0.1 MiB",
        f"sha256 {digest}",
    ]
    empty = here.parent / "empty"
    empty.mkdir()
    judged = completed(empty, "task=judge", str(path))
    assert (judged.returncode, judged.stderr) == (0, "")
    _, *words, sentence, last = judged.stdout.splitlines()
    assert [line.split() for line in words] == WORDS
    assert sentence.startswith("The same as printed: 1 word (1 claim not asked) and ")
    assert sentence.endswith(" numbers, recomputed from the predictions of 6 tests.")
    assert last == f"sha256 {digest}"
    assert not list(empty.iterdir())


def test_the_same_as_a_document(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle(config("bundle", bundle="new/x.zip"))
    digest = hashlib.sha256(Path("new/x.zip").read_bytes()).hexdigest()
    shutil.rmtree("runs")
    shutil.rmtree("studies")
    capsys.readouterr()
    judge(config("judge", study="another", bundle="new/x.zip", format="json"))
    document = json.loads(capsys.readouterr().out)
    assert (document["study"], document["same"], document["sha256"]) == ("depth", True, digest)
    assert document["words"][0] == {
        "claim": "deeper",
        "printed": "supported",
        "recomputed": "supported",
        "same": True,
    }
    assert document["written_by"]["versions"]["python"]


def test_a_changed_byte_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle(config("bundle", bundle="x.zip"))
    capsys.readouterr()
    path, name = Path("x.zip"), "studies/depth/claims.json"
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        place = whole.index(archive.read(name))
    whole[place + 30] ^= 1
    path.write_bytes(whole)
    with pytest.raises(SystemExit, match="1"):
        judge(config("judge", bundle="x.zip", format="json"))
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert line.startswith(f"error: x.zip: {name}: was changed")
    assert json.loads(told.out) == {"same": False, "broken": line.removeprefix("error: ")}


def test_a_folder_is_judged_and_a_stale_one_is_not_bundled(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(config("judge"))
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:3]] == WORDS
    claims = here / "studies" / "depth" / "claims.json"
    change_json(claims, '"verdict": "supported"', '"verdict": "contradicted"')
    with pytest.raises(SystemExit, match="1"):
        judge(config("judge"))
    _, first, _, sentence = capsys.readouterr().out.splitlines()
    assert first.split()[1:] == ["contradicted", "supported", "ANOTHER"]
    assert sentence.startswith("1 of 1 word and 0 of ")
    with pytest.raises(ConfigError, match="task=judge says where, task=report writes it anew"):
        bundle(config("bundle"))
    assert not list(here.glob("studies/depth/*.zip"))


def test_a_bundle_with_words_of_its_own_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = [{"claim": "deeper", "word": "contradicted"}]
    monkeypatch.setattr("vgglab.commands.bundle.printed_words", lambda _: claim)
    bundle(config("bundle", bundle="x.zip"))
    with pytest.raises(SystemExit, match="1"):
        judge(config("judge", bundle="x.zip"))
    assert "certificate.json: its words are not those of claims.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (config("bundle", "adhoc"), "task=bundle needs a study with a report: sweeps=NAME, or"),
        (config("judge", "other"), "studies/other has no study.json, which task=report writes"),
        (config("judge", bundle="gone.zip"), "bundle = gone.zip: there is no such file"),
        (config("bundle", bundle="runs"), "bundle = runs: is a folder; name the zip to write"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_mistake_is_one_line(asked: Config, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        {"bundle": bundle, "judge": judge}[asked.task.name](asked)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_table_of_others_is_judged_by_itself(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("arm,error\na,6.0\na,6.1\nb,3.0\nb,3.1\nb,3.2\n")
    said = completed(tmp_path, "task=judge", "table=runs.csv", "format=json")
    (claim,) = json.loads(said.stdout)["claims"]
    assert (claim["compared"], claim["word"], claim["seeds"]) == ("b - a", "supported", 2)
    refused = completed(tmp_path, "task=judge", "table=runs.csv", "bundle=x.zip")
    assert refused.returncode == 2
    assert "table, bundle: a table or a bundle is judged; name one" in refused.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "runs.csv"]


def test_a_study_whose_runs_are_gone_is_not_judged(here: Path) -> None:
    shutil.rmtree(here / "runs")
    with pytest.raises(ConfigError, match=r"none of its 6 runs is where study\.json says"):
        judge(config("judge"))


def test_a_zip_needs_no_key_where_one_is_judged() -> None:
    assert with_bundle(["task=judge", "my 'own'.zip"]) == ["task=judge", r"bundle='my \'own\'.zip'"]
    assert with_bundle(["task=judge", "x.zip", "format=json"])[1:] == [
        "bundle='x.zip'",
        "format=json",
    ]
    for others in ([], ["task=train", "x.zip"], ["task=judge", "bundle=x.zip"], ["x.zip"]):
        assert with_bundle(others) == others
