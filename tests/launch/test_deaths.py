"""What a launcher writes down of a process that could not do so itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from vgglab.launch.pool import record_death
from vgglab.launch.ranks import RankDied, record_rank_death
from vgglab.runs import RunDirectory, State, Status


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run whose only attempt was interrupted an hour ago, and that waits for another."""
    status = Status()
    status.begin_attempt()
    status.history[0].started -= 7200
    status.end_attempt(State.INTERRUPTED, "SIGINT")
    status.history[0].ended = time.time() - 3600
    status.state = State.PENDING
    directory = RunDirectory(tmp_path / "a-s0-0")
    status.write(directory.status)
    return directory


def died(run: RunDirectory, code: int = 1) -> RankDied:
    (run.path / "said").touch()
    return RankDied(0, code, run.path / "said")


@pytest.mark.parametrize("code", [2, 130, -9])
def test_a_death_before_training_leaves_earlier_attempts_alone(
    code: int, run: RunDirectory
) -> None:
    before = run.read_status().history
    record_death(run, code)
    assert run.read_status().state is not State.PENDING
    assert run.read_status().history == before


def test_ranks_that_die_before_training_leave_earlier_attempts_alone(run: RunDirectory) -> None:
    before = run.read_status().history
    record_rank_death(run, died(run), since=time.time())
    assert run.read_status().state is State.FAILED
    assert run.read_status().history == before


def test_rank_0_knew_less_of_its_own_attempt(run: RunDirectory) -> None:
    begun, status = time.time(), run.read_status()
    status.begin_attempt()
    status.end_attempt(State.FAILED, "RuntimeError: connection closed by peer")
    status.write(run.status)
    record_rank_death(run, died(run, -9), since=begun)
    old, new = run.read_status().history
    assert (old, new.ended) == (status.history[0], status.history[1].ended)
    assert new.state is State.FAILED
    assert new.reason.startswith("rank 0 was killed by SIGKILL; see ")


@pytest.mark.parametrize(
    ("state", "reason"),
    [(State.PENDING, "stopped before training"), (State.RUNNING, "stopped at once")],
)
def test_a_point_that_was_asked_to_stop_has_not_failed(
    state: State, reason: str, run: RunDirectory
) -> None:
    status = run.read_status()
    status.state = state
    status.write(run.status)
    record_death(run, 130)
    assert (Status.read(run.status).state, Status.read(run.status).reason) == (
        State.INTERRUPTED, reason,
    )  # fmt: skip


def test_ranks_that_die_say_nothing_of_a_run_that_another_process_trains(run: RunDirectory) -> None:
    with run.claim():
        status = run.read_status()
        status.begin_attempt()
        status.write(run.status)
        record_rank_death(run, died(run, -9))
        assert run.read_status() == status
