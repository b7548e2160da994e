"""A run on image files, with jitter and colour shift: interrupted, it ends with the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from image_folder import write_image_folder
from training_runs import MemorySink

from vgglab.config import Config
from vgglab.config.check import parse
from vgglab.runs import RunDirectory, Status, read_metrics
from vgglab.training.checkpoints import checkpoint_step
from vgglab.training.experiment import run_experiment
from vgglab.training.stop import Interrupted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("images"), 240)


@pytest.fixture
def config(folder: Path, datasets: Path) -> Config:
    return parse(
        {
            "model": {"name": "a", "width": 0.0625},
            "norm": {"name": "batch"},
            "data": {"name": "folder", "root": str(folder), "image_size": 32, "flip": False},
            "recipe": {
                "epochs": 2,
                "batch_size": 32,
                "scale_min": 36,
                "scale_max": 44,
                "color_shift": 0.1,
            },
            "trainer": {
                "accelerator": "cpu",
                "precision": "fp32",
                "memory_format": "channels_last",
                "threads": 1,
                "log_every": 1,
                "workers": 1,
            },
            "paths": {"data": str(datasets)},
        }
    )


def test_interrupted_within_an_epoch_it_goes_on_at_the_step(config: Config, tmp_path: Path) -> None:
    runs = [RunDirectory(tmp_path / name) for name in ("whole", "cut")]
    for run in runs:
        run.path.mkdir()
    result = run_experiment(config, runs[0], Status(), [])
    assert result["errors"]["center"]["images"] == 50
    stop = MemorySink(signal_at_step=8)  # 6 steps an epoch
    with pytest.raises(Interrupted):
        run_experiment(config, runs[1], Status(), [stop])
    assert checkpoint_step(runs[1].last_checkpoint) == 8
    resumed = run_experiment(config, runs[1], Status(), [])
    assert resumed["errors"] == result["errors"]
    losses, again = (
        [record.get("train/step_loss") for record in read_metrics(run.metrics)] for run in runs
    )
    assert len(losses) == 12
    assert losses == again
    whole, cut = (torch.load(run.last_checkpoint, weights_only=True)["state_dict"] for run in runs)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
