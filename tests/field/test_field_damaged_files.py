"""B: one damaged file of one run stops neither the list of runs, the study nor the report."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from report_runs import config_of, write_run
from running import SMALL, Command, completed, stamps

from vgglab.data.errors import DataError
from vgglab.data.smaller_copy import COPY_RECORD, check_copy_complete
from vgglab.runs import RunDirectory, State, load_run, load_runs, read_result
from vgglab.runs.claim import hold_claim, latest_claim
from vgglab.runs.damage import DamagedFile, is_whole_parquet
from vgglab.runs.lines import read_lines
from vgglab.study.claims.mistakes import MistakesReader

GARBLED = {
    "empty": b"",
    "cut": b'{"state": "fini',
    "a list": b"[1, 2]",
    "null": b"null",
    "zeros": bytes(64),
    "not UTF-8": b'{"state": "\xff\xfe"}',
    "nested": b"[" * 100_000,
}
DAMAGE = pytest.mark.parametrize("content", list(GARBLED.values()), ids=list(GARBLED))


BEFORE_ITS_END = ("status.json", "result.json", "config.yaml")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two finished runs, a and b."""
    for model in ("a", "b"):
        write_run(tmp_path / "runs" / model, config_of(model, 0))
    return tmp_path / "runs"


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@DAMAGE
@pytest.mark.parametrize("name", ["status.json", "result.json"])
def test_a_run_goes_on_without_it(
    name: str, content: bytes, runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = RunDirectory(runs / "a")
    (directory.path / name).write_bytes(content)
    for _ in range(2):  # said once
        status = directory.read_status()
        assert (status.state, status.reason) == (State.INTERRUPTED, f"{name} is damaged")
        assert len(load_runs(runs)) == 2
    (line,) = warned(caplog)
    assert line.startswith(f"{directory.path / name}: damaged (")
    assert "\n" not in line
    assert RunDirectory(runs / "b").read_status().state is State.FINISHED
    if name == "result.json":
        assert read_result(directory) == {}


@pytest.mark.parametrize(
    "content", [b'{"state": "dancing"}', b'{"epoch": 3}', b'{"state": "failed", "history": [3]}']
)
def test_a_status_of_other_fields(content: bytes, runs: Path) -> None:
    (runs / "a" / "status.json").write_bytes(content)
    assert RunDirectory(runs / "a").read_status().state is State.INTERRUPTED


@DAMAGE
def test_the_points_config_stands_in_for_a_damaged_one(
    content: bytes, runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = runs / "a" / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"config\.yaml: damaged \("):
        load_run(runs / "a")
    assert load_run(runs / "a", planned=config_of("a", 0)).config == config_of("a", 0)
    assert [run.id for run in load_runs(runs)] == ["b"]
    assert len(warned(caplog)) == 1


def test_copies_of_locks_that_others_made(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    with hold_claim(tmp_path):
        for name in (".lock.1 (conflicted copy)", ".lock.1~", ".lock.swp", ".lock.", ".lock.٣x"):
            (tmp_path / name).write_text("x")
        claim = latest_claim(tmp_path)
    assert claim is not None
    assert (claim.number, claim.pid > 0) == (1, True)
    with hold_claim(tmp_path):
        claim = latest_claim(tmp_path)
    assert claim is not None
    assert claim.number == 2
    for content in ("", "null}", '{"machine": 3}', "{}"):
        claim.path.write_text(content)
        found = latest_claim(tmp_path)
        assert found is not None
        assert found.pid == 0


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 cut short", b"PAR1" * 20])
def test_predictions_that_are_damaged_count_as_none(
    content: bytes, runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = load_run(runs / "a")
    path = run.directory.predictions("center")
    path.parent.mkdir()
    path.write_bytes(content)
    assert MistakesReader().mistakes(run, "center", 1) is None
    (line,) = warned(caplog)
    assert line.startswith(f"{path}: damaged (")
    assert is_whole_parquet(path) == (content[-4:] == b"PAR1")
    assert not is_whole_parquet(path.with_name("gone.parquet"))


@pytest.mark.parametrize("content", ["", "[]", "{", "{}"])
def test_the_record_of_a_copy_that_is_damaged(content: str, tmp_path: Path) -> None:
    (tmp_path / COPY_RECORD).write_text(content)
    with pytest.raises(DataError, match=r"prepared\.json: damaged|a copy that is not complete"):
        check_copy_complete(tmp_path)


def test_lines_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"a": 1}\n\xff\xfe\n[1]\n{"b": 2}\n')
    assert read_lines(tmp_path / "x.jsonl") == [{"a": 1}, {"b": 2}]


def test_commands_name_the_file_and_go_on(runs: Path) -> None:
    shutil.copy(runs / "a" / "status.json", runs / "a" / "status (conflicted copy).json")
    (runs / "a" / "status.json").write_bytes(b"")
    (runs / "a" / ".lock").touch()
    (runs / "a" / ".lock.1 (conflicted copy)").touch()
    said = completed(runs.parent, "task=runs", "format=csv")
    assert said.returncode == 0, said.stderr
    assert "a,interrupted" in said.stdout
    assert "b,finished" in said.stdout
    (line,) = said.stderr.splitlines()
    assert line.startswith("runs/a/status.json: damaged (")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "select"),
    [
        *((name, "best") for name in (*BEFORE_ITS_END, "predictions/center.parquet")),
        ("status.json", "last"),
        ("result.json", "last"),
    ],
)
def test_a_study_goes_on_and_ends_as_before(
    name: str, select: str, command: Command, tmp_path: Path
) -> None:
    study = ("-m", "model=a,b", "study.name=mine", *SMALL, "protocol=center", "protocol.top_k=[1]",
             f"recipe.select={select}")  # fmt: skip
    assert command(*study).returncode == 0
    (run,) = (tmp_path / "runs").glob("a-*")
    whole, before = (run / "result.json").read_bytes(), stamps(tmp_path)
    content = (run / name).read_bytes()
    assert [path.name for path in (run / "checkpoints").iterdir()] == [f"{select}.ckpt"]
    records = (run / "metrics.jsonl").read_bytes()
    (run / name).write_bytes(b"")
    said = command(*study)
    assert said.returncode == 0, said.stderr
    assert (run / "metrics.jsonl").read_bytes() == records  # no step of it was trained anew
    if name.startswith("predictions"):  # made anew, as if they were gone
        assert (run / name).read_bytes() == content
    else:
        assert f"{name}: damaged" in said.stdout + said.stderr
    if name == "config.yaml":
        assert (run / "result.json").read_bytes() == whole
    else:
        assert (run / name).read_bytes()
        errors = read_result(RunDirectory(run))["errors"]
        assert f'"top1_error": {errors["center"]["top1_error"]}' in whole.decode()
    (other,) = (tmp_path / "runs").glob("b-*")
    assert stamps(tmp_path)[other / "result.json"] == before[other / "result.json"]
