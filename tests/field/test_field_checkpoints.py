"""A2: checkpoints with a flipped bit anywhere, or of another run."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import KillAt, Killed, directory

from vgglab.config import Config
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
from vgglab.training.stamp import checked_stamp
from vgglab.verify.compare import differences


def content(step: int, **callbacks: Any) -> dict[str, Any]:
    weights = torch.arange(30.0) * step
    return {"global_step": step, "state_dict": {"net.w": weights}, "callbacks": callbacks}


def saved(run: RunDirectory, *steps: int) -> RunDirectory:
    """A run whose ``last.ckpt`` was written at these steps."""
    for step in steps:
        AtomicCheckpointIO().save_checkpoint(content(step), run.last_checkpoint)
    return run


def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = saved(directory(tmp_path), 3).last_checkpoint
    whole = path.read_bytes()
    assert damage(path) == ""
    for place in range(len(whole)):
        garbled = bytearray(whole)
        garbled[place] ^= 1 << place % 8
        path.write_bytes(garbled)
        assert damage(path), f"byte {place} of {len(whole)}"


@pytest.mark.parametrize("cut", [1, 2, 100, 200, 500, 2_000])
def test_a_cut_is_noticed_wherever_it_is(cut: int, tmp_path: Path) -> None:
    path = saved(directory(tmp_path), 3).last_checkpoint
    path.write_bytes(path.read_bytes()[:-cut])
    assert damage(path)


def test_what_else_reads_the_archive_reads_it_as_before(tmp_path: Path) -> None:
    path = saved(directory(tmp_path), 3).last_checkpoint
    stamp = checked_stamp(path)
    assert stamp is not None
    assert stamp.run == "run"
    for mmap in (False, True):
        assert torch.load(path, weights_only=True, mmap=mmap)["state_dict"]["net.w"][1] == 3


def test_another_runs_checkpoint_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, other = (saved(directory(tmp_path, name), 10, 20) for name in ("run", "other"))
    shutil.copy(other.last_checkpoint, run.last_checkpoint)
    assert checkpoint_to_resume(run) == run.previous_checkpoint
    assert "last.ckpt is of another run, other; going on" in caplog.text
    shutil.copy(other.last_checkpoint, run.previous_checkpoint)
    assert checkpoint_to_resume(run) is None
    assert "run: no checkpoint is left to go on from; training begins anew" in caplog.text
    with pytest.raises(DataError, match=r"previous\.ckpt is of another run, other; remove"):
        net_state(run.previous_checkpoint)


def test_weights_alone_are_nothing_to_go_on_from(tmp_path: Path) -> None:
    run = directory(tmp_path)
    weights = content(10)
    del weights["callbacks"]  # as best.ckpt is
    AtomicCheckpointIO().save_checkpoint(weights, run.last_checkpoint)
    assert checkpoint_to_resume(run) is None


def test_the_one_that_is_used_is_not_replaced_by_the_bad_one(tmp_path: Path) -> None:
    run = saved(directory(tmp_path), 10, 20)
    run.last_checkpoint.write_bytes(b"no checkpoint")
    assert checkpoint_to_resume(run) == run.previous_checkpoint
    assert run.has_checkpoint
    saved(run, 11)
    assert checkpoint_to_resume(run) == run.last_checkpoint
    run.last_checkpoint.unlink()  # as after a kill between two renames
    assert checkpoint_to_resume(run) == run.previous_checkpoint
    assert checkpoint_step(run.previous_checkpoint) == 10


@pytest.mark.parametrize(("folder", "is_used"), [("run", True), ("other", False)])
def test_a_checkpoint_without_a_stamp_says_whose_it_is_by_its_folder(
    folder: str, is_used: bool, tmp_path: Path
) -> None:
    """As versions of before 27 November 2026 wrote them, in whatever place the runs were then."""
    run = directory(tmp_path)
    run.checkpoints.mkdir()
    state = {"dirpath": f"/elsewhere/runs/{folder}/checkpoints", "best_k_models": {}}
    torch.save(content(3, **{"ModelCheckpoint{}": state}), run.last_checkpoint)
    assert checked_stamp(run.last_checkpoint) is None
    assert checkpoint_to_resume(run) == (run.last_checkpoint if is_used else None)


def test_a_run_goes_on_to_the_same_bits_whatever_of_it_was_exchanged(
    small_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = dataclasses.replace(small_config.trainer, checkpoint_minutes=1e-6)
    often = dataclasses.replace(small_config, trainer=trainer)
    whole, cut = directory(tmp_path, "whole"), directory(tmp_path, "cut")
    run_experiment(small_config, whole, Status(), [])
    with pytest.raises(Killed):
        run_experiment(often, cut, Status(), [KillAt(24)])
    for exchanged, said in (("last", "going on from what was before it"), ("best", "begins anew")):
        run = RunDirectory(tmp_path / exchanged / "cut")
        shutil.copytree(cut.path, run.path)
        name = f"checkpoints/{exchanged}.ckpt"
        shutil.copy(whole.path / name, run.path / name)
        caplog.clear()
        run_experiment(small_config, run, Status(), [])
        assert f"{exchanged}.ckpt" in caplog.text
        assert "is of another run, whole" in caplog.text
        assert said in caplog.text
        found = differences(whole, run, ["weights", "optimiser", "metrics.jsonl", "predictions"])
        assert not any(found.values()), (exchanged, found)
