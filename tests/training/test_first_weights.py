"""A run begins with the weights of its parent, and with nothing else of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from vgglab.commands.train import train
from vgglab.config import Config, InitConfig, ModelConfig
from vgglab.models.build import build
from vgglab.models.transfer import modules_by_layer
from vgglab.models.vgg import VGG
from vgglab.runs import RunDirectory, State, read_metrics
from vgglab.training.net import start_from
from vgglab.workflow.pretraining import stages_of

COPIED = ("conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8")
"""A's first four convolutions and its fully connected layers (section 3.1)."""


def brief(config: Config, init: InitConfig, learning_rate: float = 0.02) -> Config:
    """D for an epoch."""
    return dataclasses.replace(
        config,
        model=ModelConfig(name="d", width=0.0625),
        init=init,
        recipe=dataclasses.replace(config.recipe, epochs=1, learning_rate=learning_rate),
        tracking=dataclasses.replace(config.tracking, mode="off"),
    )


def net_of(config: Config, checkpoint: Path) -> VGG:
    """The net of a run as it begins."""
    sizes = {"classes": config.data.classes, "image_size": config.data.image_size}
    net = build(config.model, config.norm, config.init, in_channels=1, seed=config.seed, **sizes)
    start_from(net, config, checkpoint)
    return net


def stored(run: RunDirectory) -> dict[str, torch.Tensor]:
    state = torch.load(run.best_checkpoint, weights_only=True)["state_dict"]
    return {key.removeprefix("net."): value for key, value in state.items()}


@pytest.mark.slow
def test_a_chain_is_trained_from_its_beginning_and_once(
    small_config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrained = brief(small_config, InitConfig(name="pretrained_a"))
    parent = {"recipe": {"learning_rate": 0.02}, "init": {"name": "pretrained_a"}}
    tuned = brief(small_config, InitConfig(name="from_run", parent=parent), learning_rate=0.002)
    train(pretrained)
    train(tuned)
    a, d, last = (stage.directory for stage in stages_of(tuned))
    lines = capsys.readouterr().out.splitlines()
    of_runs = [line.partition(": ")[0] for line in lines if not line.startswith("epoch")]
    assert of_runs == [run.id for run in (a, d, last) for _ in ("begins", "ends")]
    assert stages_of(pretrained)[-1].directory == d
    for run, parent_of_run in ((a, ""), (d, a.id), (last, d.id)):
        status = run.read_status()
        assert (status.state, status.attempts) == (State.FINISHED, 1)
        assert status.parent == parent_of_run

    begun = net_of(pretrained, a.best_checkpoint).state_dict()
    of_a = stored(a)
    assert torch.equal(begun["features.0.weight"], of_a["features.0.weight"])  # conv1_1
    assert torch.equal(begun["features.7.weight"], of_a["features.4.weight"])  # conv2_1
    layers = modules_by_layer(net_of(pretrained, a.best_checkpoint), pretrained.model)
    drawn = {name for layer, names in layers.items() if layer not in COPIED for name in names}
    moved = net_of(tuned, d.best_checkpoint).state_dict()
    assert all(torch.equal(value, stored(d)[key]) for key, value in moved.items())
    assert not torch.equal(begun["features.3.weight"], stored(d)["features.3.weight"])
    assert "features.3" in drawn
    # The schedule begins anew: nothing but weights came along.
    assert read_metrics(last.metrics)[0]["step"] == 4


def test_a_run_whose_parent_diverges_is_an_outcome(
    small_config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = {"recipe": {"learning_rate": 100.0, "momentum": 0.99}}
    init = InitConfig(name="pretrained_a", parent=wild)
    plain = dataclasses.replace(small_config.norm, name="none")
    config = dataclasses.replace(brief(small_config, init), norm=plain)
    train(config)
    a, d = (stage.directory for stage in stages_of(config))
    assert a.read_status().state is State.DIVERGED
    status = d.read_status()
    assert status.state is State.UNTRAINABLE
    assert status.reason.startswith(f"its parent {a.id} is diverged: ")
    assert not d.metrics.exists()
    train(config)
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{d.id}: already untrainable; ")
