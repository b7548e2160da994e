"""Files are whole, claims exclude, a dead owner's run is seen as interrupted."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
import stat
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout
from running import piped

from vgglab.config.parse import parse
from vgglab.runs import MetricsLog, RunDirectory, State, Status, load_runs, read_metrics
from vgglab.runs.atomic import write_json, write_text
from vgglab.runs.status import Attempt, wall_minutes

DAY, HOUR = 86400.0, 3600.0

HOLDER = """
import sys, time
from pathlib import Path
from vgglab.runs import RunDirectory, Status
directory = RunDirectory(Path(sys.argv[1]))
with directory.claim():
    status = Status()
    status.begin_attempt()
    status.write(directory.status)
    print("claimed", flush=True)
    time.sleep(60)
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that claims a run and works on it."""
    process = piped(HOLDER, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    return process


def test_a_claim_excludes_others_and_a_kill_frees_it(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "r")
    process = hold(directory.path)
    assert directory.is_claimed()
    assert directory.read_status().state is State.RUNNING
    with pytest.raises(Timeout), directory.claim(timeout=0.1):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not directory.is_claimed()
    status = directory.read_status()
    assert status.state is State.INTERRUPTED
    assert f"process {process.pid}" in status.reason
    with directory.claim(timeout=0.1):
        assert directory.is_claimed()


WAITER = """
import sys
from pathlib import Path
from vgglab.runs import RunDirectory
directory = RunDirectory(Path(sys.argv[1]))
print("waiting", flush=True)
with directory.claim():
    print("claimed" if directory.is_claimed() else "not seen", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("is_begun_anew", [False, True])
def test_who_waits_for_a_run_that_is_removed_begins_it_anew(
    is_begun_anew: bool, tmp_path: Path
) -> None:
    directory = RunDirectory(tmp_path / "r")
    with directory.claim():
        process = piped(WAITER, directory.path)
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        shutil.rmtree(directory.path)
        if is_begun_anew:
            directory.path.mkdir()
    assert process.stdout.readline() == "claimed\n"
    assert directory.is_claimed()
    with pytest.raises(Timeout), directory.claim(timeout=0):
        pass
    process.communicate("\n")
    assert process.returncode == 0
    assert not directory.is_claimed()


def test_a_lock_of_another_folder_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, tries = RunDirectory(tmp_path / "r"), 0
    acquire = FileLock.acquire

    def removed_at_first(self: FileLock, *arguments: Any, **keywords: Any) -> Any:
        nonlocal tries
        tries += 1
        found = acquire(self, *arguments, **keywords)
        if tries == 1:
            shutil.rmtree(directory.path)
        return found

    monkeypatch.setattr(FileLock, "acquire", removed_at_first)
    with directory.claim(timeout=0):
        assert directory.path.exists()
        assert tries == 2


def test_status_survives_a_round_trip(tmp_path: Path) -> None:
    status = Status(epochs=5, validation_error=12.5, versions={"torch": "2"})
    status.begin_attempt()
    status.write(tmp_path / "status.json")
    assert Status.read(tmp_path / "status.json") == status
    assert Status.read(tmp_path / "none.json").state is State.PENDING


@pytest.mark.parametrize("state", State)
def test_what_counts_as_an_outcome(state: State) -> None:
    assert state.is_outcome == (state.value in ("finished", "diverged", "untrainable"))


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_text(path, "old")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"x": float("nan")})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert path.stat().st_mode & stat.S_IRGRP


def test_metrics_are_rewound_to_the_checkpoint(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        log.record({"step": step, "train/loss": float("inf") if step == 2 else 0.5})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "tr')  # killed in the middle of a line
    assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    assert log.rewind(2)[1] == {"step": 2, "train/loss": None}
    log.record({"step": 3})
    assert [r["step"] for r in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]


def _append(path: Path, start: int) -> None:
    log = MetricsLog(path)
    for step in range(start, start + 100):
        log.record({"step": step, "padding": "x" * 200})


@pytest.mark.slow
def test_lines_of_two_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(path, start)) for start in (0, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(r["step"] for r in read_metrics(path)) == list(range(200))


@pytest.mark.parametrize(
    ("state", "result", "counts_as"),
    [
        (State.FINISHED, None, State.INTERRUPTED),
        (State.DIVERGED, None, State.INTERRUPTED),
        (State.FINISHED, {"errors": {}}, State.INTERRUPTED),
        (State.FINISHED, {"validation": {"best_top1_error": 5.0}}, State.FINISHED),
        (State.UNTRAINABLE, {"errors": {}}, State.UNTRAINABLE),
        (State.FAILED, None, State.FAILED),
    ],
)
def test_an_outcome_has_a_result(
    state: State, result: dict[str, object] | None, counts_as: State, tmp_path: Path
) -> None:
    directory = RunDirectory(tmp_path)
    Status(state=state).write(directory.status)
    if result is not None:
        write_json(directory.result, result)
    assert directory.read_status().state is counts_as


def test_the_ledger_reads_what_is_there(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "a-s0-0")
    write_text(directory.config, "seed: 0\n")
    Status(state=State.FINISHED).write(directory.status)
    write_json(directory.result, {"errors": {}})
    (tmp_path / "junk").mkdir()
    (run,) = load_runs(tmp_path)
    assert (run.id, run.config, run.result) == ("a-s0-0", parse({"seed": 0}), {"errors": {}})
    assert json.loads(directory.status.read_text())["state"] == "finished"


def killed_long_ago(path: Path) -> Status:
    """The status of a run whose process was killed after an hour, a day ago."""
    status = Status()
    status.begin_attempt()
    status.history[0].started -= DAY + HOUR
    status.heartbeat -= DAY
    status.write(path)
    return Status.read(path)


def test_only_who_works_on_a_run_gives_signs_of_life(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    status = killed_long_ago(path)
    status.write(path)  # by a launcher, or by task=prune
    assert wall_minutes([Status.read(path)], since=0.0) == pytest.approx(60, abs=0.1)
    status.begin_attempt()
    assert status.heartbeat == status.history[1].started
    assert wall_minutes([status], since=0.0) == pytest.approx(60, abs=0.1)


def test_what_others_note_of_a_run_ends_no_attempt_that_has_ended(tmp_path: Path) -> None:
    status = killed_long_ago(tmp_path / "status.json")
    status.note_end(State.FAILED, "exit code 2")
    (attempt,) = status.history
    assert (attempt.state, attempt.reason, attempt.ended) == (
        State.FAILED, "exit code 2", status.heartbeat,
    )  # fmt: skip
    before = asdict(attempt)
    status.note_end(State.INTERRUPTED, "killed by SIGKILL")
    assert (status.state, status.reason) == (State.INTERRUPTED, "killed by SIGKILL")
    assert asdict(attempt) == before
    status.note_end(State.FAILED, "rank 1 died", since=attempt.started)
    assert asdict(attempt) == before | {"state": State.FAILED, "reason": "rank 1 died"}


def test_wall_clock_counts_what_overlaps_once_and_gaps_not_at_all() -> None:
    first = Status(
        history=[Attempt(started=60.0, ended=180.0), Attempt(started=600.0, ended=660.0)]
    )
    second = Status(history=[Attempt(started=120.0, launched=90.0, ended=240.0)])
    killed = Status(heartbeat=720.0, history=[Attempt(started=660.0)])
    assert wall_minutes([first, second, killed], since=0.0) == 5.0
    assert (
        wall_minutes([first, second, killed], since=100.0) == 2.0
    )  # the earlier ones cost nothing
    assert wall_minutes([], since=0.0) == 0.0
