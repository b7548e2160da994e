"""An owner on another machine: respected while it lives; one process takes over when it is dead."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from filelock import Timeout

from vgglab.runs import RunDirectory, State, Status, claim

STALE = 1.0


class NoLock:
    """The kernel's lock on a file system that does not pass it on to other machines."""

    def acquire(self, timeout: float = -1) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def release(self) -> None:
        """There is nothing to give back."""


def on(machine: str, beat: float = STALE / 10) -> None:
    """Let this process run on a machine of that name, with a quick heartbeat."""
    setattr(claim, "this_machine", lambda: machine)  # noqa: B010
    setattr(claim, "STALE_SECONDS", STALE)  # noqa: B010
    setattr(claim, "HEARTBEAT_SECONDS", beat)  # noqa: B010
    setattr(claim, "POLL_SECONDS", 0.02)  # noqa: B010
    setattr(RunDirectory, "_lock", NoLock())  # noqa: B010
    setattr(RunDirectory, "_is_of_this_folder", lambda *_: True)  # noqa: B010


def work(path: Path, machine: str, seconds: float, beat: float, claimed: Any) -> None:
    on(machine, beat)
    run = RunDirectory(path)
    with run.claim():
        status = Status()
        status.begin_attempt()
        status.write(run.status)
        claimed.set()
        time.sleep(seconds)


@contextlib.contextmanager
def worker(path: Path, machine: str, seconds: float = 60, beat: float = STALE / 10) -> Any:
    """A process on another machine that has claimed a run."""
    context = multiprocessing.get_context("spawn")
    claimed = context.Event()
    process = context.Process(target=work, args=(path, machine, seconds, beat, claimed))
    process.start()
    try:
        assert claimed.wait(60)
        yield process
    finally:
        process.kill()
        process.join()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "this_machine", lambda: "here")
    monkeypatch.setattr(claim, "STALE_SECONDS", STALE)
    monkeypatch.setattr(claim, "HEARTBEAT_SECONDS", STALE / 10)
    monkeypatch.setattr(claim, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(RunDirectory, "_lock", NoLock())
    monkeypatch.setattr(RunDirectory, "_is_of_this_folder", lambda *_: True)


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_living_owner_elsewhere_is_waited_for_and_a_dead_one_is_not(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "r")
    with worker(run.path, "there") as owner:
        (run.path / ".lock").touch()
        time.sleep(2 * STALE)  # it lives by its heartbeat, not by its age
        assert run.is_claimed()
        assert run.read_status().state is State.RUNNING
        with pytest.raises(Timeout), run.claim(timeout=0.1):
            pass
        os.kill(owner.pid, signal.SIGKILL)
        killed = time.monotonic()
        with run.claim(timeout=30):
            waited = time.monotonic() - killed
            assert waited > STALE / 2
            taken = claim.latest_claim(run.path)
            assert taken is not None
            assert (taken.number, taken.machine, taken.pid) == (2, "here", os.getpid())
    assert not run.is_claimed()
    assert run.read_status().state is State.INTERRUPTED


@pytest.mark.usefixtures("here")
def test_an_owner_that_has_ended_is_not_waited_for(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "r")
    with worker(run.path, "there", seconds=0) as owner:
        owner.join()
    begun = time.monotonic()
    with run.claim(timeout=30):
        assert time.monotonic() - begun < STALE / 2
    assert [path.name for path in run.path.glob(".lock.*")] == [".lock.2"]


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_living_owner_is_not_taken_over_when_the_file_systems_clock_jumps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path / "r")
    with worker(run.path, "there") as owner:
        monkeypatch.setattr(claim, "_file_system_time", lambda _: time.time() + 3600)
        with pytest.raises(Timeout), run.claim(timeout=STALE):
            pass
        assert owner.is_alive()
        owner.kill()
        with run.claim(timeout=30):
            assert not owner.is_alive()


def contend(path: Path, machine: str, start: Barrier, inside: Any, most: Any) -> None:
    on(machine)
    start.wait()
    with RunDirectory(path).claim():
        with inside.get_lock():
            inside.value += 1
            most.value = max(most.value, inside.value)
        time.sleep(0.05)
        with inside.get_lock():
            inside.value -= 1


@pytest.mark.slow
def test_of_many_that_take_over_at_once_one_is_inside_at_a_time(tmp_path: Path) -> None:
    """Without the kernel's lock, as on two machines: the files alone decide."""
    path = tmp_path / "r"
    path.mkdir()
    (path / ".lock").touch()
    dead = path / ".lock.7"
    dead.write_text('{"machine": "dead", "pid": 1}')
    os.utime(dead, (1, 1))
    context = multiprocessing.get_context("spawn")
    start, inside, most = context.Barrier(6), context.Value("i", 0), context.Value("i", 0)
    machines = [
        context.Process(target=contend, args=(path, f"m{i}", start, inside, most)) for i in range(6)
    ]
    for process in machines:
        process.start()
    for process in machines:
        process.join(120)
    assert [process.exitcode for process in machines] == [0] * 6
    assert most.value == 1
    last = claim.latest_claim(path)
    assert last is not None
    assert last.number == 7 + 6
    assert not last.is_alive(time.time())


def test_who_was_quicker_than_a_takeover_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".lock.7").write_text('{"machine": "dead", "pid": 1}')
    os.utime(tmp_path / ".lock.7", (1, 1))
    take, quick = getattr(claim, "_take"), tmp_path / ".lock.8"  # noqa: B009

    def late(*arguments: Any) -> Any:
        """Between the look at a dead owner and the next number."""
        quick.write_text('{"machine": "quick", "pid": 1}')
        return take(*arguments)

    monkeypatch.setattr(claim, "_take", late)
    monkeypatch.setattr(claim, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(claim, "POLL_SECONDS", 0.01)
    with pytest.raises(TimeoutError, match="its owner is quick"), claim.hold_claim(tmp_path, 0.1):
        pytest.fail("two are inside")
    assert quick.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_an_owner_that_wakes_after_it_was_taken_over_ends_at_once(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "r")
    with worker(run.path, "there") as owner:
        os.kill(owner.pid, signal.SIGSTOP)  # a machine that sleeps
        with run.claim(timeout=30):
            os.kill(owner.pid, signal.SIGCONT)
            owner.join(20)
            assert owner.exitcode == 1
            assert run.is_claimed() is False  # by another machine: here is this one


def test_a_file_system_that_is_away_for_a_moment_ends_no_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "HEARTBEAT_SECONDS", 0.02)
    latest, looked = claim.latest_claim, threading.Event()
    failures = iter([OSError(errno.ESTALE, "Stale file handle"), OSError(errno.EIO, "I/O error")])

    def away(folder: Path) -> claim.Claim | None:
        if threading.current_thread() is not threading.main_thread():
            for failure in failures:
                raise failure
            looked.set()
        return latest(folder)

    with claim.hold_claim(tmp_path):
        monkeypatch.setattr(claim, "latest_claim", away)
        os.utime(tmp_path / ".lock.1", (1, 1))
        assert looked.wait(5)
        deadline = time.monotonic() + 5
        while (tmp_path / ".lock.1").stat().st_mtime == 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_claim_is_given_back_as_well_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OSError(errno.EIO, "I/O error")

    with claim.hold_claim(tmp_path):
        monkeypatch.setattr(os, "utime", away)


def test_an_owner_that_was_taken_over_ends_though_nobody_hears_it(tmp_path: Path) -> None:
    (tmp_path / ".lock.2").write_text('{"machine": "there", "pid": 1}')
    script = (
        "import os, sys, threading; from pathlib import Path; from vgglab.runs import claim;"
        "claim.HEARTBEAT_SECONDS = 0.01; os.close(2);"
        "mine = Path(sys.argv[1]) / '.lock.1';"
        "beats = threading.Thread(target=claim._give_heartbeats, args=(mine, threading.Event()));"
        "beats.start(); beats.join()"
    )
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], timeout=60, check=False)
    assert ended.returncode == 1


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_who_may_only_read_sees_whether_a_run_has_an_owner() -> None:
    # Not pytest's folder, which is closed to others.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        run = RunDirectory(Path(folder) / "r")
        with run.claim():
            status = Status()
            status.begin_attempt()
            status.write(run.status)
            with as_nobody():
                assert run.read_status().state is State.RUNNING
        with as_nobody():
            assert run.read_status().state is State.INTERRUPTED


def test_a_file_system_to_be_read_alone_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path / "r")

    class Forbidden:
        def acquire(self, timeout: float = -1) -> None:
            raise OSError(errno.EROFS, "Read-only file system")

    with run.claim():
        monkeypatch.setattr(RunDirectory, "_lock", Forbidden())
        assert run.is_claimed()
    assert not run.is_claimed()
