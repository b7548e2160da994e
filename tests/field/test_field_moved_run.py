"""A1: a run's folder is moved between two attempts; they go on as if it were not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from training_runs import KillAt, Killed, directory

from vgglab.config import Config, plain
from vgglab.config.parse import parse
from vgglab.runs import RunDirectory, Status
from vgglab.training.experiment import run_experiment
from vgglab.verify.compare import differences


@pytest.fixture
def worsens(small_config: Config) -> Config:
    """A run of two epochs whose best is the first: its steps are far too long."""
    tree = plain(small_config)
    tree["recipe"] |= {"learning_rate": 0.5, "schedule": {"name": "step"}}
    return parse(tree)


def test_a_moved_run_keeps_its_best_epoch(worsens: Config, tmp_path: Path) -> None:
    """Lightning's callback forgets its best where the name of the folder has changed."""
    whole, cut = directory(tmp_path, "whole"), directory(tmp_path, "cut")
    result = run_experiment(worsens, whole, Status(), [])
    assert result["validation"]["best_epoch"] == 1
    with pytest.raises(Killed):
        run_experiment(worsens, cut, Status(), [KillAt(24)])
    run = RunDirectory(tmp_path / "elsewhere" / "cut")
    shutil.move(cut.path, run.path)
    run_experiment(worsens, run, Status(), [])
    found = differences(whole, run, ["weights", "metrics.jsonl", "predictions", "learning rate"])
    assert not any(found.values()), found


def test_a_checkpoint_names_no_folder(small_config: Config, tmp_path: Path) -> None:
    run = directory(tmp_path)
    run_experiment(small_config, run, Status(), [])
    for path in run.checkpoints.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path
