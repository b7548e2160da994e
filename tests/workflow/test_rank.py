"""The first process of several waits for a run that another command trains."""

from __future__ import annotations

import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from vgglab.config import Config
from vgglab.runs import RunDirectory, claim
from vgglab.signals import StopRequest
from vgglab.workflow import rank

STALE = 0.8
train_stage: Any = getattr(rank, "_train_stage")  # noqa: B009


@pytest.fixture
def run(small_config: Config, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run with an owner on another machine, whose clock is an hour ahead."""
    monkeypatch.setattr(claim, "STALE_SECONDS", STALE)
    monkeypatch.setattr(claim, "HEARTBEAT_SECONDS", STALE / 8)
    monkeypatch.setattr(claim, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(rank, "WAIT_SECONDS", STALE / 4)
    monkeypatch.setattr(rank, "refuse_without_parent", lambda *_: True)  # nothing is trained here
    monkeypatch.setattr(rank, "end_line", lambda _: "its turn")
    found = RunDirectory(small_config.paths.runs_folder / "r")
    found.path.mkdir(parents=True)
    (found.path / ".lock.7").write_text('{"machine": "elsewhere", "pid": 1}')
    give_sign_of_life(found)
    return found


def give_sign_of_life(run: RunDirectory) -> None:
    ahead = time.time() + 3_600
    os.utime(run.path / ".lock.7", (ahead, ahead))


def wait_for_its_turn(config: Config, run: RunDirectory, most: int) -> list[object]:
    """What the first process tells the others until it is its turn, or so often."""
    told: list[object] = []

    def tell(what: object) -> object:
        told.append(what)
        if len(told) > most:
            raise TimeoutError
        return what

    group = SimpleNamespace(world=SimpleNamespace(is_first=True), from_first=tell)
    train_stage(SimpleNamespace(config=config, directory=run), group, StopRequest())
    return told


def test_a_dead_owner_whose_clock_is_ahead_is_taken_over(
    run: RunDirectory, small_config: Config
) -> None:
    told = wait_for_its_turn(small_config, run, 12)
    assert told[-1] is False
    assert set(told[:-1]) == {rank.WAIT}
    assert len(told) >= 3


def test_one_that_gives_signs_of_life_is_waited_for(
    run: RunDirectory, small_config: Config
) -> None:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(STALE / 8):
            give_sign_of_life(run)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            wait_for_its_turn(small_config, run, 8)
    finally:
        ended.set()
        thread.join()
