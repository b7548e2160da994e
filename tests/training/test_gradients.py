"""Gradient norms by block: asked for, they are recorded and change nothing else."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from vgglab.config import Config
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.vgg import parameters_by_block
from vgglab.runs import RunDirectory, Status, read_metrics
from vgglab.training.experiment import run_experiment
from vgglab.training.gradients import GradientNorms

BLOCKS = ["block1", "block2", "block3", "block4", "block5", "fc1", "fc2", "fc3"]


def test_every_parameter_is_in_one_block() -> None:
    net = build(
        ModelConfig(name="d", width=0.0625),
        NormConfig(name="batch"),
        InitConfig(),
        classes=10,
        image_size=32,
    )
    blocks = parameters_by_block(net)
    assert list(blocks) == BLOCKS
    found = [id(p) for parameters in blocks.values() for p in parameters]
    assert sorted(found) == sorted(id(p) for p in net.parameters())
    convolutions = [sum(p.ndim == 4 for p in blocks[f"block{i}"]) for i in range(1, 6)]
    assert convolutions == [2, 2, 3, 3, 3]  # Table 1, column D


def test_the_norm_is_that_of_all_gradients_of_a_block() -> None:
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))]
    weights[0].grad, weights[1].grad = torch.tensor([1.0, 2.0]), torch.tensor([2.0])
    norms = GradientNorms({"block1": weights}, every=2)
    for done, known in ((0, {}), (1, {"gradient_norm/block1": 3.0})):
        trainer: Any = SimpleNamespace(global_step=done)
        norms.on_before_optimizer_step(trainer)
        assert norms.values() == known


@pytest.mark.slow
def test_a_run_records_them_and_learns_the_same(small_config: Config, tmp_path: Path) -> None:
    trained = {}
    for asked in (True, False):
        trainer = dataclasses.replace(small_config.trainer, gradient_norms=asked)
        run = RunDirectory(tmp_path / str(asked))
        run.path.mkdir()
        run_experiment(dataclasses.replace(small_config, trainer=trainer), run, Status(), [])
        trained[asked] = read_metrics(run.metrics)
    names = {f"gradient_norm/{block}" for block in BLOCKS}
    of_steps = [r for r in trained[True] if "train/step_loss" in r]
    assert of_steps
    for record in of_steps:
        assert names <= record.keys()
        assert all(math.isfinite(record[name]) and record[name] > 0 for name in names)
    assert not any(names & record.keys() for record in trained[False])
    losses = [[r.get("train/step_loss") for r in records] for records in trained.values()]
    assert losses[0] == losses[1]
