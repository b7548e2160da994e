"""An optimiser that is in these tests alone: a row is all that the rest of the harness needs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch.optim import Optimizer
from training_runs import MemorySink, assert_same_bits, directory, steady, weights

from vgglab.config import OPTIMIZERS, Config, RecipeConfig, plain, semantic
from vgglab.config.parse import ConfigError, parse
from vgglab.models.cost import BYTES_A_VALUE
from vgglab.runs import Status
from vgglab.training.distributed import ProcessGroup
from vgglab.training.experiment import run_experiment
from vgglab.training.net_cost import net_cost
from vgglab.training.optimisation import OPTIMISERS, Optimiser, skips_steps_on_device
from vgglab.training.stop import Interrupted
from vgglab.training.trainability import TrainabilityWatch
from vgglab.training.try_step import first_that_fits
from vgglab.world import ALONE

if TYPE_CHECKING:
    from vgglab.training.optimisation import Groups

BUILT: list[tuple[float, bool]] = []
"""Learning rate and fusing of each that was built."""


def _adam(recipe: RecipeConfig, parameters: Groups, fused: bool) -> Optimizer:
    BUILT.append((recipe.learning_rate, fused))
    return torch.optim.Adam(parameters, lr=recipe.learning_rate, fused=fused)


def _adam_step_bound(recipe: RecipeConfig, relative_gradient: float) -> float:
    """A step does not depend on the gradient's size, unless there is none."""
    return recipe.learning_rate if relative_gradient else 0.0


@pytest.fixture
def adam(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Optimiser(
        build=_adam, state_values=2, step_bound=_adam_step_bound, fused_skips_steps=False
    )
    monkeypatch.setitem(OPTIMIZERS, "adam", "Adam")
    monkeypatch.setitem(OPTIMISERS, "adam", row)
    BUILT.clear()


@pytest.fixture
def config(adam: None, small_config: Config) -> Config:
    tree = plain(small_config)
    tree["recipe"] |= {"optimizer": "adam", "learning_rate": 0.001}
    return parse(tree)


def test_every_name_has_a_row() -> None:
    assert OPTIMIZERS.keys() == OPTIMISERS.keys()


def test_a_name_without_a_row_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"recipe\.optimizer = \"adam\": must be 'sgd', 'nesterov' or 'adamw'"
    ):
        parse({"recipe": {"optimizer": "adam"}})


def test_it_is_part_of_a_runs_identity_and_sgd_is_what_runs_had_before(config: Config) -> None:
    assert semantic(config)["recipe"]["optimizer"] == "adam"
    assert "optimizer" not in semantic(Config())["recipe"]


@pytest.mark.slow
def test_a_run_trains_and_resumes_with_the_same_bits(config: Config, tmp_path: Path) -> None:
    whole, parts = directory(tmp_path, "whole"), directory(tmp_path, "parts")
    sink, resumed = MemorySink(), MemorySink()
    result = run_experiment(config, whole, Status(), [sink])
    assert BUILT == [(0.001, True)]
    assert result["errors"]["center"]["top1_error"] < 60  # of six classes

    with pytest.raises(Interrupted):
        run_experiment(config, parts, Status(), [MemorySink(signal_at_step=8)])
    run_experiment(config, parts, Status(), [resumed])
    assert resumed.history, "the second attempt went on from a checkpoint"
    assert_same_bits(weights(parts), weights(whole))
    assert steady([*resumed.history, *resumed.records]) == steady(sink.records)
    state = weights(whole)["optimizer"][0]["state"]
    assert {"exp_avg", "exp_avg_sq"} <= state[0].keys()


def test_trainability_bounds_a_step_by_its_row(config: Config) -> None:
    def bound(recipe: RecipeConfig, relative_gradient: float) -> float:
        watched = dataclasses.replace(config, recipe=recipe)
        watch = TrainabilityWatch(watched, ["conv1"], 1000, ProcessGroup(ALONE))
        return watch.rule.step_bound(relative_gradient)

    assert bound(config.recipe, 1e-9) == 0.001
    assert bound(config.recipe, 0.0) == 0.0
    sgd = dataclasses.replace(config.recipe, optimizer="sgd")
    assert bound(sgd, 1e-9) == pytest.approx(0.001 / (1 - 0.9) * 1e-9)


def test_a_micro_batch_is_tried_with_it(config: Config) -> None:
    assert first_that_fits(config, [1]) == 1
    assert BUILT == [(0.001, True)]


def test_its_state_counts_as_memory(config: Config) -> None:
    cost = net_cost(config)
    assert cost.memory()["weights_training"] == 4 * cost.parameters * BYTES_A_VALUE


def test_a_fused_update_that_skips_no_step_is_looked_at_from_the_host(config: Config) -> None:
    trainer = dataclasses.replace(config.trainer, accelerator="gpu", fused_optimizer=True)
    on_gpu = dataclasses.replace(config, trainer=trainer)
    assert not skips_steps_on_device(on_gpu)
    sgd = dataclasses.replace(on_gpu, recipe=RecipeConfig())
    assert skips_steps_on_device(sgd)
