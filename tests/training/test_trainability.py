"""A net that will not train is stopped early; one that starts late is not."""

from __future__ import annotations

import csv
import dataclasses
import math
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import nn
from training_runs import MemorySink, assert_same_bits, directory, weights

from vgglab.config import Config, InitConfig, ModelConfig, NormConfig, RecipeConfig
from vgglab.runs import RunDirectory, State, Status
from vgglab.training.experiment import run_experiment
from vgglab.training.optimisation import OPTIMISERS
from vgglab.training.outcomes import Untrainable
from vgglab.training.stop import Interrupted
from vgglab.training.trainability import (
    OBSERVE_EVERY,
    DeadUnits,
    Observation,
    Rule,
    relative_gradients,
    remedies,
)

Key = tuple[str, str, float, str]


def recorded() -> dict[Key, tuple[bool, list[Observation]]]:
    """Net, init, learning rate, seed -> whether it learned, and what was seen until then.

    Of plain nets of 1/8 width on cluttered digits, trained for up to 1,500 steps
    (docs/trainability.md).
    """
    found: dict[Key, tuple[bool, list[Observation]]] = {}
    with (Path(__file__).parent / "plateaus.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = row["net"], row["init"], float(row["learning_rate"]), row["seed"]
            look = Observation(
                step=int(row["step"]),
                loss=float(row["loss"]),
                layer=0,
                smallest=float(row["smallest"]),
                last=float(row["last"]),
            )
            found.setdefault(key, (row["learned"] == "1", []))[1].append(look)
    return found


RUNS = recorded()


def stopped_at(rule: Rule, looks: list[Observation]) -> int | None:
    ends = range(1, len(looks) + 1)
    return next((looks[n - 1].step for n in ends if rule.is_stuck(looks[:n])), None)


def rule(learning_rate: float, steps: int = 1500, after: int = 200) -> Rule:
    recipe = RecipeConfig(learning_rate=learning_rate, momentum=0.9)
    step_bound = partial(OPTIMISERS["sgd"].step_bound, recipe)
    return Rule(classes=10, after=after, step_bound=step_bound, steps=steps)


@pytest.mark.parametrize("key", [k for k, (learned, _) in RUNS.items() if learned])
def test_a_net_that_learns_is_never_stopped(key: Key) -> None:
    assert stopped_at(rule(key[2]), RUNS[key][1]) is None


@pytest.mark.parametrize(
    "key", [k for k, (learned, _) in RUNS.items() if not learned and k[2] >= 0.005]
)
def test_a_net_that_stays_on_the_plateau_is_stopped_in_its_first_hundreds_of_steps(
    key: Key,
) -> None:
    step = stopped_at(rule(key[2]), RUNS[key][1])
    assert step is not None
    assert 200 <= step <= 500


def test_a_low_learning_rate_alone_is_no_reason() -> None:
    """Gradients are healthy and the loss has not moved yet: more steps or a higher rate do."""
    looks = RUNS["a", "glorot", 0.001, "0"][1]
    assert looks[-1].loss > 0.995 * math.log(10)
    assert stopped_at(rule(0.001, steps=700), looks) is None


def plateau(gradients: list[float], loss: float = math.log(10)) -> list[Observation]:
    return [
        Observation(step=OBSERVE_EVERY * (i + 1), loss=loss, layer=0, smallest=g, last=1e-3)
        for i, g in enumerate(gradients)
    ]


def test_growing_gradients_are_waited_for() -> None:
    assert rule(0.02).is_stuck(plateau([1e-9] * 8))
    assert not rule(0.02).is_stuck(plateau([1e-9 * 2**i for i in range(8)]))
    assert not rule(0.02).is_stuck(plateau([1e-9] * 7))


def test_a_loss_below_the_plateau_is_learning() -> None:
    assert not rule(0.02).is_stuck(plateau([1e-9] * 8, loss=2.2))


def test_many_steps_move_a_layer_that_few_do_not() -> None:
    looks = plateau([1e-6] * 8)
    assert rule(0.02, steps=1_000).is_stuck(looks)
    assert not rule(0.02, steps=1_000_000).is_stuck(looks)


def plain(config: Config, **recipe: Any) -> Config:
    """A net whose signal vanishes, with a short watch."""
    return dataclasses.replace(
        config,
        model=ModelConfig(name="a", width=0.0625),
        norm=NormConfig(name="none"),
        init=InitConfig(name="gaussian"),
        recipe=dataclasses.replace(config.recipe, untrainable_after=75, epochs=9, **recipe),
    )


def end_of(config: Config, run: RunDirectory, *sinks: MemorySink) -> Untrainable:
    with pytest.raises(Untrainable) as caught:
        run_experiment(config, run, Status(), list(sinks))
    return caught.value


@pytest.mark.slow
def test_interrupted_on_the_plateau_it_stops_where_it_would_have(
    small_config: Config, tmp_path: Path
) -> None:
    config = plain(small_config)
    found = end_of(config, directory(tmp_path, "whole"))
    assert found.state is State.UNTRAINABLE
    assert found.details["step"] == 75
    assert found.details["loss"] == pytest.approx(math.log(6), abs=0.02)
    assert set(found.details["dead_relus"]) < set(found.details["relative_gradients"])
    assert "ln 6 = 1.792" in str(found)
    resumed = directory(tmp_path, "resumed")
    with pytest.raises(Interrupted):
        run_experiment(config, resumed, Status(), [MemorySink(signal_at_step=60)])
    again = end_of(config, resumed)
    assert (str(again), again.details) == (str(found), found.details)


@pytest.mark.parametrize(
    "how",
    [
        "none",
        pytest.param(
            "inductor",
            marks=[
                pytest.mark.slow,
                pytest.mark.filterwarnings("ignore::DeprecationWarning"),
            ],
        ),
    ],
)
def test_watching_changes_no_weight(
    how: Literal["none", "inductor"], small_config: Config, tmp_path: Path
) -> None:
    small_config = dataclasses.replace(
        small_config,
        trainer=dataclasses.replace(small_config.trainer, compile=how),
        # Two convolutions: each layer more takes the compiler ten seconds.
        model=ModelConfig(name="shallow", blocks=((64,), (64,)), width=0.0625),
    )
    runs = []
    for after in (0, 50):
        recipe = dataclasses.replace(small_config.recipe, untrainable_after=after)
        run = directory(tmp_path, str(after))
        run_experiment(dataclasses.replace(small_config, recipe=recipe), run, Status(), [])
        runs.append(weights(run))
    assert_same_bits(*runs)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["gelu", "silu"])
def test_a_net_without_relus_is_untrainable_too(
    activation: Literal["gelu", "silu"], small_config: Config, tmp_path: Path
) -> None:
    config = plain(small_config)
    model = dataclasses.replace(config.model, activation=activation)
    found = end_of(dataclasses.replace(config, model=model), directory(tmp_path))
    assert found.details["step"] == 75
    assert found.details["dead_relus"] == {}
    assert "ReLU" not in str(found)


@pytest.mark.slow
def test_micro_batches_see_the_same(small_config: Config, tmp_path: Path) -> None:
    config = plain(small_config)
    trainer = dataclasses.replace(config.trainer, accumulate=2)
    found = end_of(dataclasses.replace(config, trainer=trainer), directory(tmp_path))
    assert found.details["step"] == 75


def test_dead_units_answer_no_image_of_any_micro_batch() -> None:
    first = nn.Linear(2, 3)
    net = nn.Sequential(first, nn.ReLU(inplace=True), nn.Linear(3, 2))
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]))
        first.bias.zero_()
    dead = DeadUnits(["first", "second"])
    dead.watch(net)
    net(torch.tensor([[1.0, 0.0]]))
    net(torch.tensor([[0.0, 1.0]]))
    assert dead.shares() == {"first": pytest.approx(1 / 3)}
    net(torch.tensor([[1.0, 0.0]]))
    assert dead.shares() == {}  # it looks only when asked


def test_gradients_are_relative_to_the_weights() -> None:
    first, last = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(1, 1, bias=False)
    net = nn.Sequential(first, nn.Flatten(), last)
    with torch.no_grad():
        first.weight.fill_(2.0)
        last.weight.fill_(0.5)
    net(torch.full((1, 1, 1, 1), 3.0)).sum().backward()
    assert relative_gradients(net) == [pytest.approx(1.5 / 2.0), pytest.approx(6.0 / 0.5)]


def test_remedies_offer_what_the_config_does_not_have(small_config: Config) -> None:
    gaussian = " ".join(remedies(plain(small_config)))
    assert "init=he" in gaussian
    assert "norm=batch" in gaussian
    assert "learning_rate" not in gaussian  # at no rate does its gradient arrive
    he = " ".join(remedies(dataclasses.replace(plain(small_config), init=InitConfig(name="he"))))
    assert "init=he" not in he
    assert "recipe.learning_rate=0.005" in he
