"""SIGKILLs at random moments over a small study, which ends as if there had been none."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from offline_file import history
from running import SMALL, completed, results, started
from training_runs import steady

from vgglab.runs import RunDirectory, Status, read_metrics
from vgglab.training.checkpoints import damage
from vgglab.training.resuming import checkpoint_to_resume

SEED = 20140904
LONGEST = 1.5
"""Seconds that a point trains before it is killed, at most."""
WHILE_LOADING = 0.6
"""Share of the kills that wait for no point to train; loading libraries takes most of the time."""
OF_LAUNCHER = 0.15
"""Share of the kills that hit it, and all its points with it."""
OF_ALL_POINTS = 0.6
"""Share of the others that hit all its points at once."""
STUDY = (
    *SMALL, "data=digits", "-m", "sweeps=depth", "model=a,b", "launcher.jobs=2", "recipe.epochs=8",
    "trainer.log_every=4", "tracking=offline", "study.name=chaos",
)  # fmt: skip
OFTEN = "trainer.checkpoint_minutes=0.005"
"""Checkpoints a few steps apart, so that kills find them being written."""


def runs(folder: Path) -> list[RunDirectory]:
    return [RunDirectory(path.parent) for path in sorted(folder.glob("runs/*/config.yaml"))]


def finished(folder: Path) -> dict[Path, tuple[int, str]]:
    """When each file of a finished point was written, and what is in it."""
    done = [run for run in runs(folder) if run.read_status().state.is_outcome]
    files = (path for run in done for path in run.path.rglob("*") if path.is_file())
    return {
        path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
        if not path.name.startswith(".lock")
    }


class Chaos:
    """Starts the study's command whenever it is not there, and kills what it finds."""

    def __init__(self, folder: Path, arguments: tuple[str, ...]) -> None:
        self._folder, self._arguments = folder, arguments
        self._random = random.Random(SEED)
        self._launcher: subprocess.Popen[bytes] | None = None
        self.kills = {"point": 0, "launcher": 0}
        self.doing: dict[str, int] = {}
        """What killed points were at."""

    def some(self) -> None:
        """Wait for a random while, then kill somebody."""
        wait = self._random.uniform(0, LONGEST)
        while_loading = self._random.random() < WHILE_LOADING
        of_launcher = self._random.random() < OF_LAUNCHER
        of_all = self._random.random() < OF_ALL_POINTS
        points = self._after(wait, while_loading=while_loading)
        if of_launcher:
            assert self._launcher is not None
            self._launcher.kill()
            self._launcher.wait()
            assert not psutil.wait_procs(points, timeout=30)[1], "points outlived the launcher"
            self.kills["launcher"] += 1
            return
        at_work = [point for point in points if self._trains(point)]
        victims = points if of_all else [self._random.choice(at_work or points)]
        for victim in victims:
            doing = "training" if self._trains(victim) else "loading"
            self.doing[doing] = self.doing.get(doing, 0) + 1
            victim.kill()
            self.kills["point"] += 1
        psutil.wait_procs(victims, timeout=30)

    def _after(self, wait: float, *, while_loading: bool) -> list[psutil.Process]:
        """The points that are there so many seconds after one has begun to load, or to train."""
        since = float("inf")
        while True:
            if self._launcher is None or self._launcher.poll() is not None:
                assert self._launcher is None or self._launcher.returncode, "all done too early"
                self._launcher = started(self._folder, *self._arguments)
            points = self._points()
            if points and (while_loading or any(map(self._trains, points))):
                since = min(since, time.monotonic())
                if time.monotonic() - since >= wait:
                    return points
            time.sleep(0.02)

    def _points(self) -> list[psutil.Process]:
        assert self._launcher is not None
        try:
            children = psutil.Process(self._launcher.pid).children()
            return [c for c in children if any(w.endswith("/run.py") for w in c.cmdline())]
        except psutil.Error:
            return []

    def _trains(self, point: psutil.Process) -> bool:
        """Whether a point has got as far as to write records of its run."""
        try:
            born = point.create_time()
        except psutil.Error:
            return False
        own = (run for run in runs(self._folder) if Status.read(run.status).pid == point.pid)
        return any(run.metrics.exists() and run.metrics.stat().st_mtime > born for run in own)

    def end(self) -> None:
        """Let the launcher that is there come to its end."""
        if self._launcher is not None:
            self._launcher.wait(timeout=200)


@pytest.mark.parametrize(
    ("kills", "seeds"),
    [
        pytest.param(6, "0", marks=pytest.mark.slow),
        pytest.param(50, "0,1,2", marks=pytest.mark.chaos),
    ],
)
def test_kills_leave_no_trace(
    kills: int, seeds: str, tmp_path: Path, datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calm, wild = tmp_path / "calm", tmp_path / "wild"
    for folder in (calm, wild):
        folder.mkdir()
    arguments = (f"paths.data={datasets}", *STUDY, f"seed={seeds}")
    ended = completed(calm, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr

    chaos = Chaos(wild, (*arguments, OFTEN))
    done: dict[Path, tuple[int, str]] = {}
    while sum(chaos.kills.values()) < kills:
        chaos.some()
        for run in runs(wild):
            if run.last_checkpoint.exists():
                assert not damage(run.last_checkpoint)
            elif run.previous_checkpoint.exists():
                assert checkpoint_to_resume(run) == run.previous_checkpoint
        done |= {path: seen for path, seen in finished(wild).items() if path not in done}
    with capsys.disabled():
        print(f"\nseed {SEED}: {chaos.kills} killed; points were {chaos.doing}")
    assert chaos.doing["training"] >= kills // 5
    chaos.end()
    ended = completed(wild, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr

    assert done.items() <= finished(wild).items(), "a finished point was touched"
    assert results(wild, "chaos").equals(results(calm, "chaos"))
    assert [run.id for run in runs(wild)] == [run.id for run in runs(calm)]
    for one, other in zip(runs(calm), runs(wild), strict=True):
        records = read_metrics(other.metrics)
        assert steady(records) == steady(read_metrics(one.metrics))
        (attempt,) = other.path.glob("wandb/offline-run-*/*.wandb")
        kept = [{k: v for k, v in row.items() if k not in ("step", "time")} for row in records]
        assert history(attempt) == kept
        assert json.loads(other.status.read_text())["state"] == "finished"
