"""The nets of Chatfield et al. 2014 train, and are tested on their ten crops."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from vgglab.config import Config, DigitsConfig, ModelConfig, ProtocolConfig
from vgglab.runs import RunDirectory, Status, read_metrics
from vgglab.training.experiment import run_experiment


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg_f", "vgg_m", "vgg_s"])
def test_an_epoch_of_each(name: str, small_config: Config, tmp_path: Path) -> None:
    recipe = dataclasses.replace(small_config.recipe, epochs=1, scale_min=48, scale_max=48)
    config = dataclasses.replace(
        small_config,
        model=ModelConfig(name=name, width=0.0625, dropout=0.0),
        data=DigitsConfig(image_size=44, classes=6, test_fraction=0.1),
        recipe=recipe,
        protocol=ProtocolConfig(name="ten_crop", also=("center",)),
    )
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    result = run_experiment(config, run, Status(), [])
    losses = [r["train/step_loss"] for r in read_metrics(run.metrics) if "train/step_loss" in r]
    assert losses[-1] < 0.9 * losses[0]
    assert result["cost"]["weight_layers"] == 8
    assert result["errors"].keys() == {"ten_crop", "center"}
    assert all(errors["images"] == 300 for errors in result["errors"].values())
