"""A study repeats nothing, loses nothing, and takes each point once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from running import SMALL, Command, completed, results, stamps, started, wait_for

STUDY = (
    *SMALL, "-m", "sweeps=depth", "model=a,b", "seed=0,1", "launcher.jobs=2",
    "data.test_images=4000",
)  # fmt: skip


def attempts(folder: Path) -> dict[str, int]:
    return {
        path.parent.name: json.loads(path.read_text())["attempts"]
        for path in folder.glob("runs/*/status.json")
    }


def running_point(folder: Path) -> int | None:
    """The process id of a point that has checkpointed an epoch and is not done."""
    for path in folder.glob("runs/*/status.json"):
        status = json.loads(path.read_text())
        if status["state"] == "running" and 1 <= status["epoch"] < status["epochs"]:
            pid: int = status["pid"]
            return pid
    return None


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    """The study, undisturbed."""
    folder = tmp_path_factory.mktemp("reference")
    ended = completed(folder, f"paths.data={datasets}", *STUDY, "recipe.epochs=4")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "study depth: 4 points, 0 already done" in ended.stdout
    return folder


@pytest.mark.slow
def test_killed_point_and_killed_parent_then_completed(
    reference: Path, tmp_path: Path, datasets: Path
) -> None:
    arguments = (f"paths.data={datasets}", *STUDY, "recipe.epochs=4")
    parent = started(tmp_path, *arguments)
    wait_for(lambda: running_point(tmp_path))
    victim = running_point(tmp_path)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    # The next point starts in its place; then the launcher dies.
    wait_for(lambda: len(attempts(tmp_path)) == 4 and sum(attempts(tmp_path).values()) >= 3)
    children = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, "points outlived the launcher"

    done = {
        name: stamp
        for name, stamp in stamps(tmp_path).items()
        if json.loads(
            (
                tmp_path / "runs" / name.relative_to(tmp_path / "runs").parts[0] / "status.json"
            ).read_text()
        )["state"]
        == "finished"
    }
    again = completed(tmp_path, *arguments)
    assert again.returncode == 0, again.stdout + again.stderr
    assert done.items() <= stamps(tmp_path).items()
    assert max(attempts(tmp_path).values()) >= 2
    assert results(tmp_path, "depth").equals(results(reference, "depth"))


@pytest.mark.slow
def test_two_sweeps_at_once_train_each_point_once(
    reference: Path, tmp_path: Path, datasets: Path
) -> None:
    arguments = (f"paths.data={datasets}", *STUDY, "recipe.epochs=4", "launcher.jobs=1", "seed=0")
    both = [started(tmp_path, *arguments) for _ in range(2)]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    assert attempts(tmp_path) == dict.fromkeys(attempts(tmp_path), 1)
    expected = results(reference, "depth").query("seed == 0").reset_index(drop=True)
    assert results(tmp_path, "depth").equals(expected)


@pytest.mark.slow
def test_a_failed_point_leaves_the_others_alone(tmp_path: Path, command: Command) -> None:
    study = (*STUDY, "seed=0", "recipe.epochs=1")
    assert command(*study).returncode == 0
    (broken,) = (tmp_path / "runs").glob("b-bn-*")
    for name in ("status.json", "result.json", "predictions/center.parquet"):
        (broken / name).unlink()
    (broken / "predictions").rmdir()
    (broken / "predictions").write_text("a file where a folder must be")
    ended = command(*study)
    assert ended.returncode == 1
    assert "2 points, 1 already done" in ended.stdout
    assert "failed: " in ended.stdout
    assert "run the same command again" in ended.stdout
    (broken / "predictions").unlink()
    ended = command(*study)
    assert ended.returncode == 0
    assert "2 points, 1 already done" in ended.stdout


@pytest.mark.slow
def test_ctrl_c_checkpoints_every_point_and_exits_130(tmp_path: Path, datasets: Path) -> None:
    arguments = (f"paths.data={datasets}", *STUDY, "recipe.epochs=200")
    parent = started(tmp_path, *arguments)
    wait_for(lambda: running_point(tmp_path))
    children = psutil.Process(parent.pid).children(recursive=True)
    parent.send_signal(signal.SIGINT)
    assert parent.wait(timeout=240) == 130
    assert not psutil.wait_procs(children, timeout=10)[1]
    states = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/status.json")]
    assert {status["state"] for status in states} == {"interrupted", "pending"}
