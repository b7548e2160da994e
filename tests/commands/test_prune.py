"""``task=prune``: what would go, what goes, and what never does."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from report_runs import config_of, write_run
from running import SMALL, completed

from vgglab.checkout import NOTE
from vgglab.runs import RunDirectory, State, Status, load_run
from vgglab.runs.disk import bytes_of
from vgglab.study import StudyView
from vgglab.study.stored import write_study
from vgglab.workflow.provenance import write_config


def finished(folder: Path, name: str, seed: int, study: str = "adhoc") -> RunDirectory:
    """A finished run with three checkpoints and W&B's files, which are uploaded."""
    config = config_of("a", seed, study={"name": study})
    write_run(folder / "runs" / name, config)
    run = RunDirectory(folder / "runs" / name)
    run.checkpoints.mkdir(exist_ok=True)
    for path in (run.best_checkpoint, run.last_checkpoint, run.previous_checkpoint):
        path.write_bytes(bytes(1000))
    attempt = run.path / "wandb" / "offline-run-20261127_200000-x"
    attempt.mkdir(parents=True)
    (attempt / "run-x.wandb.synced").touch()
    (attempt / "run-x.wandb").write_bytes(bytes(500))
    write_config(run, config)
    return run


def pruned(folder: Path, *overrides: str) -> dict[tuple[str, str], bool]:
    """Kind and run -> whether it was removed, as JSON says."""
    said = completed(folder, "task=prune", "format=json", *overrides)
    assert said.returncode == 0, said.stderr
    return {(row["kind"], row["run"]): row["removed"] for row in json.loads(said.stdout)}


def test_what_would_go_is_said_and_left(tmp_path: Path) -> None:
    run = finished(tmp_path, "alone", 0)
    said = completed(tmp_path, "task=prune").stdout
    assert "nothing was removed; prune.do=true removes 0.0 MB: checkpoints and wandb" in said
    assert "with prune.kinds=[checkpoints,wandb,runs] the runs go as well" in said
    assert max(map(len, said.splitlines())) <= 80
    assert run.last_checkpoint.exists()
    assert pruned(tmp_path) == {
        ("checkpoints", "alone"): False, ("wandb", "alone"): False, ("runs", "alone"): False,
    }  # fmt: skip


def test_checkpoints_and_uploaded_files_go(tmp_path: Path) -> None:
    run, other = finished(tmp_path, "one", 0), finished(tmp_path, "two", 1)
    (unsynced,) = other.path.glob("wandb/*/*.synced")
    unsynced.unlink()
    removed = pruned(tmp_path, "prune.do=true")
    assert removed[("checkpoints", "one")]
    assert removed[("wandb", "one")]
    assert ("wandb", "two") not in removed
    assert [path.name for path in run.checkpoints.iterdir()] == ["best.ckpt"]
    assert not (run.path / "wandb").exists()
    assert (other.path / "wandb").exists()
    assert run.read_status().state is State.FINISHED
    size = run.read_status().disk_bytes
    assert size == pytest.approx(bytes_of(run.path), abs=100)  # written before its own last change
    assert pruned(tmp_path, "prune.do=true", "prune.kinds=[checkpoints]") == {
        ("runs", "one"): False, ("runs", "two"): False,
    }  # fmt: skip


def test_a_run_that_may_go_on_or_is_at_work_is_left(tmp_path: Path) -> None:
    run, busy = finished(tmp_path, "stopped", 0), finished(tmp_path, "busy", 1)
    Status(state=State.INTERRUPTED).write(run.status)
    with busy.claim():
        removed = pruned(tmp_path, "prune.do=true", "prune.kinds=[checkpoints,wandb,runs]")
    assert removed == {("runs", "busy"): False}
    assert run.last_checkpoint.exists()
    assert busy.last_checkpoint.exists()


def test_whole_runs_go_unless_a_study_or_a_run_needs_them(tmp_path: Path) -> None:
    point, tuning = finished(tmp_path, "point", 0), finished(tmp_path, "tuning", 1, study="mine")
    parent, alone = finished(tmp_path, "parent", 2), finished(tmp_path, "alone", 0, study="gone")
    status = point.read_status()
    status.parent = parent.id
    status.write(point.status)
    view = StudyView(
        name="mine",
        asks="",
        paper="",
        runs=[load_run(point.path)],
        missing=[],
        guard=None,
        claims={},
    )
    write_study(view, tmp_path / "studies" / "mine")
    removed = pruned(tmp_path, "prune.do=true", "prune.kinds=[runs]")
    assert {run for kind, run in removed if kind == "runs"} == {"alone"}
    assert not alone.path.exists()
    assert all(run.result.exists() for run in (point, tuning, parent))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("study.name=mien", "study.name=mien: no study of this name was launched in studies"),
        ("run=two", "run: task=prune does not read it"),
        ("++study.name=mine", "study.name=mine: no study of this name"),
    ],
)
def test_what_is_not_found_or_not_read_is_not_all(named: str, said: str, tmp_path: Path) -> None:
    run = finished(tmp_path, "alone", 0, study="gone")
    for task in ("prune", "runs"):
        words = ("prune.kinds=[runs]", "prune.do=true") if task == "prune" else ()
        ended = completed(tmp_path, f"task={task}", named, *words)
        assert ended.returncode == 2
        assert said.replace("prune", task) in ended.stderr
        assert ended.stderr.count("\n") == 1
    assert run.result.exists()


def launched(study: Path, *names: str) -> None:
    """Copies of source of launches, one after the other."""
    for number, name in enumerate(names):
        note = study / "source" / name / NOTE
        note.parent.mkdir(parents=True)
        note.write_text('{"source": "5eed"}')
        os.utime(note, (number, number))


@pytest.mark.slow
def test_the_source_of_earlier_launches_goes_once_a_study_has_ended(tmp_path: Path) -> None:
    finished(tmp_path, "point", 0, study="mine")
    queued = finished(tmp_path, "queued", 1, study="other")
    Status(state=State.PENDING).write(queued.status)
    studies = tmp_path / "studies"
    launched(studies / "mine", "later", "latest")
    launched(studies / "other", "of-the-queued", "new")
    spare = ("source", "studies/mine/source/later")
    assert pruned(tmp_path)[spare] is False
    assert pruned(tmp_path, "prune.do=true")[spare] is False
    removed = pruned(tmp_path, "prune.do=true", "prune.kinds=[source]")
    assert [found for found, is_gone in removed.items() if is_gone] == [spare]
    left = {path.name for path in studies.glob("*/source/*")}
    assert left == {"latest", "of-the-queued", "new"}
    killed, begun = (studies / "mine" / "source" / name for name in (".killed", ".begun"))
    for path in (killed, begun):
        path.mkdir()
    os.utime(killed, (time.time() - 2 * 86400,) * 2)
    assert pruned(tmp_path, "prune.do=true", "prune.kinds=[source]") == {
        ("source", "studies/mine/source/.killed"): True
    }
    assert begun.is_dir()
    assert not killed.exists()
    queued.config.unlink()
    launched(studies / "mine", "newest")
    assert ("source", "studies/mine/source/latest") not in pruned(tmp_path)


@pytest.mark.parametrize(
    ("content", "is_spare"),
    [('{"points": {"queued": {}}}', False), ('{"points": {"other": {}}}', True), ("{", False)],
)
def test_the_source_of_a_run_that_another_study_has_begun_is_left(
    content: str, is_spare: bool, tmp_path: Path
) -> None:
    queued = finished(tmp_path, "queued", 0, study="begun-it")
    Status(state=State.PENDING).write(queued.status)
    study = tmp_path / "studies" / "mine"
    launched(study, "of-the-queued", "new")
    (study / "study.json").write_text(content)
    found = pruned(tmp_path)
    assert (("source", "studies/mine/source/of-the-queued") in found) == is_spare


def test_what_a_study_needs_must_be_known(tmp_path: Path) -> None:
    finished(tmp_path, "alone", 0)
    (tmp_path / "studies" / "x").mkdir(parents=True)
    (tmp_path / "studies" / "x" / "study.json").write_text('{"points"')
    said = completed(tmp_path, "task=prune", "prune.kinds=[runs]", "prune.do=true")
    assert said.returncode == 2
    assert "study.json: it cannot be told which runs it needs" in said.stderr
    assert (tmp_path / "runs" / "alone").exists()
    said = completed(tmp_path, "task=prune", "prune.do=true")
    assert said.returncode == 0
    assert "it cannot be told which runs it needs" in said.stderr
    assert not RunDirectory(tmp_path / "runs" / "alone").last_checkpoint.exists()


def test_a_config_that_cannot_be_read_stops_no_other_run(tmp_path: Path) -> None:
    run, other = finished(tmp_path, "one", 0), finished(tmp_path, "two", 1)
    run.config.write_text("[")
    removed = pruned(tmp_path, "prune.do=true", "prune.kinds=[checkpoints]")
    assert removed[("checkpoints", "two")]
    assert ("checkpoints", "one") not in removed
    assert run.last_checkpoint.exists()
    assert not other.last_checkpoint.exists()


@pytest.mark.slow
def test_a_finished_run_has_one_checkpoint_and_is_tested_again(tmp_path: Path) -> None:
    small = (*SMALL, "recipe.epochs=1")
    assert completed(tmp_path, *small, "trainer.keep_checkpoints=all").returncode == 0
    (run,) = map(RunDirectory, (tmp_path / "runs").iterdir())
    assert run.previous_checkpoint.exists() or run.last_checkpoint.exists()
    assert completed(tmp_path, "task=prune", "prune.do=true").returncode == 0
    assert [path.name for path in run.checkpoints.iterdir()] == ["best.ckpt"]
    assert completed(tmp_path, "task=evaluate", f"run={run.id}", "protocol=dense").returncode == 0
