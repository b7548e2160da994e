"""Checkpoints that were cut short, damaged or are not checkpoints; a disk without room."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import KillAt, Killed

from vgglab.config import Config
from vgglab.config.parse import parse
from vgglab.data.errors import DataError
from vgglab.runs import RunDirectory, Status
from vgglab.training.checkpoints import (
    AtomicCheckpointIO,
    checkpoint_step,
    damage,
    net_state,
)
from vgglab.training.experiment import run_experiment
from vgglab.training.resuming import checkpoint_to_resume
from vgglab.training.testing import selected_weights


def flip_a_byte(path: Path) -> None:
    """In the middle, where the weights are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def saved(tmp_path: Path, *steps: int) -> RunDirectory:
    """A run whose ``last.ckpt`` was written at these steps."""
    run = RunDirectory(tmp_path)
    for step in steps:
        state = {"net.w": torch.arange(10_000.0) * step}
        AtomicCheckpointIO().save_checkpoint(
            {"global_step": step, "state_dict": state, "callbacks": {}}, run.last_checkpoint
        )
    return run


@pytest.mark.parametrize("break_it", [flip_a_byte, cut_short])
def test_the_one_before_stands_in_for_a_damaged_one(
    break_it: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = saved(tmp_path, 10, 20)
    assert checkpoint_to_resume(run) == run.last_checkpoint
    assert checkpoint_step(run.previous_checkpoint) == 10
    break_it(run.last_checkpoint)
    with caplog.at_level(logging.WARNING):
        assert checkpoint_to_resume(run) == run.previous_checkpoint
    assert "last.ckpt is damaged" in caplog.text
    break_it(run.previous_checkpoint)
    assert checkpoint_to_resume(run) is None


def test_a_kill_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    run = saved(tmp_path, 10)
    run.last_checkpoint.replace(run.previous_checkpoint)
    assert checkpoint_to_resume(run) == run.previous_checkpoint


def with_epochs(tmp_path: Path, errors: dict[int, float], last: list[int]) -> RunDirectory:
    """A run as it is on the disk.

    Args:
        tmp_path: its folder.
        errors: validation error (%) at the step that an epoch ended with; each that is lower than
            all before was written to ``best.ckpt``.
        last: the steps at which ``last.ckpt`` was written.
    """
    run = RunDirectory(tmp_path)
    lowest = math.inf
    for step, error in errors.items():
        with run.metrics.open("a") as file:
            file.write(json.dumps({"step": step, "validation/top1_error": error}) + "\n")
        if error < lowest:
            state = {"net.w": torch.full((3,), float(step))}
            AtomicCheckpointIO().save_checkpoint(
                {"global_step": step, "state_dict": state}, run.best_checkpoint
            )
            lowest = error
        if step in last:
            saved(tmp_path, step)
    return run


def test_a_run_goes_on_with_the_best_weights_of_before_the_crash(tmp_path: Path) -> None:
    """Killed between the two files of an epoch's end: its weights need not come again."""
    run = with_epochs(tmp_path, {10: 50.0, 20: 60.0, 30: 40.0}, last=[10, 20])
    assert checkpoint_step(run.best_checkpoint) == 30
    assert checkpoint_to_resume(run) == run.last_checkpoint
    assert checkpoint_step(run.best_checkpoint) == 10


def test_so_does_one_that_goes_on_from_the_checkpoint_before(tmp_path: Path) -> None:
    run = with_epochs(tmp_path, {10: 50.0, 20: 40.0}, last=[10, 20])
    assert checkpoint_to_resume(run) == run.last_checkpoint
    assert checkpoint_step(run.best_checkpoint) == 20
    cut_short(run.last_checkpoint)
    assert checkpoint_to_resume(run) == run.previous_checkpoint
    assert checkpoint_step(run.best_checkpoint) == 10


def test_a_kill_between_two_renames_of_the_best_loses_nothing(tmp_path: Path) -> None:
    run = with_epochs(tmp_path, {10: 50.0}, last=[10])
    run.best_checkpoint.replace(run.previous_best_checkpoint)
    assert checkpoint_to_resume(run) == run.last_checkpoint
    assert checkpoint_step(run.best_checkpoint) == 10


def test_without_its_best_weights_a_run_does_not_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = with_epochs(tmp_path, {10: 50.0, 20: 40.0}, last=[10])
    run.previous_best_checkpoint.unlink()
    assert checkpoint_to_resume(run) is None
    assert "last.ckpt needs best.ckpt, which is of step 20, not of 10" in caplog.text


@pytest.mark.parametrize("select", ["best", "last"])
def test_weights_of_another_epoch_than_the_best_are_not_tested(tmp_path: Path, select: str) -> None:
    run = with_epochs(tmp_path, {10: 50.0, 20: 40.0}, last=[10, 20])
    config = parse({"recipe": {"select": select}})
    assert selected_weights(config, run)["w"][1] == 20
    run.previous_best_checkpoint.replace(run.best_checkpoint)
    if select == "last":
        assert selected_weights(config, run)["w"][1] == 20
        return
    with pytest.raises(DataError, match=r"best\.ckpt is of step 10, not of 20, which metrics"):
        selected_weights(config, run)


def test_damaged_weights_are_not_tested(tmp_path: Path) -> None:
    run = saved(tmp_path, 10)
    run.last_checkpoint.replace(run.best_checkpoint)
    assert net_state(run.best_checkpoint)["w"][1] == 10
    flip_a_byte(run.best_checkpoint)
    with pytest.raises(DataError, match=r"best\.ckpt is damaged .*train the run anew"):
        net_state(run.best_checkpoint)


def test_a_run_goes_on_from_the_one_before_to_the_same_bits(
    small_config: Config, tmp_path: Path
) -> None:
    trainer = dataclasses.replace(small_config.trainer, checkpoint_minutes=1e-6)
    often = dataclasses.replace(small_config, trainer=trainer)
    whole, broken = RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "broken")
    for run in (whole, broken):
        run.path.mkdir()
    run_experiment(small_config, whole, Status(), [])
    with pytest.raises(Killed):
        run_experiment(often, broken, Status(), [KillAt(24)])
    steps = [checkpoint_step(p) for p in (broken.previous_checkpoint, broken.last_checkpoint)]
    assert steps == [22, 23]
    flip_a_byte(broken.last_checkpoint)
    run_experiment(small_config, broken, Status(), [])
    weights = [torch.load(r.last_checkpoint, weights_only=True) for r in (whole, broken)]
    for name, value in weights[0]["state_dict"].items():
        assert torch.equal(value, weights[1]["state_dict"][name]), name
    assert not damage(broken.last_checkpoint)


def test_an_interrupted_write_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved(tmp_path, 1)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="input/output"):
        saved(tmp_path, 2)
    assert checkpoint_step(run.last_checkpoint) == 1
    assert [path.name for path in run.checkpoints.iterdir()] == ["last.ckpt"]
