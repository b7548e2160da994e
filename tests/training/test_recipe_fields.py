"""What a recipe adds to the paper's: each field does what its name says, and resumes exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_runs import MemorySink, assert_same_bits, directory, steady, weights

from vgglab.config import Config, RecipeConfig, plain, semantic
from vgglab.config.parse import ConfigError, parse
from vgglab.data.loaders import Batch
from vgglab.models.cost import BYTES_A_VALUE
from vgglab.models.kernels.sgd import OnePassSGD
from vgglab.runs import RunDirectory, Status
from vgglab.training.averaging import AveragedNet
from vgglab.training.experiment import run_experiment
from vgglab.training.module import Classifier
from vgglab.training.net_cost import net_cost
from vgglab.training.optimisation import optimiser_of, optimizer_of
from vgglab.training.stop import Interrupted
from vgglab.workflow.retest import retest


def with_recipe(config: Config, **fields: Any) -> Config:
    tree = plain(config)
    tree["recipe"] |= fields
    return parse(tree)


def trained(config: Config, run: RunDirectory) -> MemorySink:
    """A run to its end, and what was recorded of it."""
    sink = MemorySink()
    run_experiment(config, run, Status(), [sink])
    return sink


def trained_in(config: Config, folder: Path) -> RunDirectory:
    """The folder of a run that was trained to its end."""
    run = directory(folder.parent, folder.name)
    trained(config, run)
    return run


def assert_resumes_exactly(config: Config, tmp_path: Path) -> dict[str, Any]:
    """Stopped within an epoch and gone on with, a run ends as without; returns its weights."""
    whole, parts = directory(tmp_path, "whole"), directory(tmp_path, "parts")
    sink, resumed = trained(config, whole), MemorySink()
    with pytest.raises(Interrupted):
        run_experiment(config, parts, Status(), [MemorySink(signal_at_step=8)])
    run_experiment(config, parts, Status(), [resumed])
    assert resumed.history, "the second attempt went on from a checkpoint"
    found = weights(whole)
    assert_same_bits(weights(parts), found)
    assert steady([*resumed.history, *resumed.records]) == steady(sink.records)
    assert sink.records[-1]["validation/top1_error"] < 60  # of six classes
    return found


def stepped(recipe: RecipeConfig, fused: bool = False) -> Tensor:
    """A weight of 1 after three steps at gradients of 0.5, 0.25 and 0.125."""
    weight = nn.Parameter(torch.ones(1, 1, dtype=torch.float64))
    optimizer = optimizer_of(recipe, [weight], fused)
    for gradient in (0.5, 0.25, 0.125):
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step()
    return weight.detach().reshape(())


def by_hand(recipe: RecipeConfig) -> float:
    """The same, from the papers' formulas."""
    rate, momentum, decay = recipe.learning_rate, recipe.momentum, recipe.weight_decay
    weight, first, second = 1.0, 0.0, 0.0
    for step, gradient in enumerate((0.5, 0.25, 0.125), 1):
        if recipe.optimizer == "adamw":
            weight -= rate * decay * weight
            first = momentum * first + (1 - momentum) * gradient
            second = 0.999 * second + 0.001 * gradient**2
            size = (second / (1 - 0.999**step)) ** 0.5 + 1e-8
            weight -= rate * first / (1 - momentum**step) / size
            continue
        slope = gradient + decay * weight
        first = momentum * first + slope if step > 1 else slope
        ahead = slope + momentum * first
        weight -= rate * (ahead if recipe.optimizer == "nesterov" else first)
    return weight


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ["sgd", "nesterov", "adamw"])
def test_an_optimiser_steps_as_its_paper_says(name: str, fused: bool) -> None:
    recipe = RecipeConfig(optimizer=name, learning_rate=0.1, momentum=0.8, weight_decay=0.05)
    assert float(stepped(recipe, fused)) == pytest.approx(by_hand(recipe), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rate"), [("nesterov", 0.02), ("adamw", 0.002)])
def test_a_run_with_another_optimiser_learns_and_resumes_exactly(
    name: str, rate: float, small_config: Config, tmp_path: Path
) -> None:
    config = with_recipe(small_config, optimizer=name, learning_rate=rate)
    state = assert_resumes_exactly(config, tmp_path)["optimizer"][0]["state"][0]
    kept = {"exp_avg", "exp_avg_sq", "step"} if name == "adamw" else {"momentum_buffer"}
    assert state.keys() == kept


@pytest.mark.slow
def test_averaged_weights_are_tested_and_a_run_with_them_resumes_exactly(
    small_config: Config, tmp_path: Path
) -> None:
    config = with_recipe(small_config, average_weights=0.5)
    assert_resumes_exactly(config, tmp_path)
    last = directory(tmp_path, "parts").last_checkpoint
    stored = torch.load(last, weights_only=True)
    averaged, current = stored["state_dict"], stored["current_net"]
    assert current.keys() == {name for name in averaged if name.startswith("net.")}
    assert not torch.equal(averaged["net.features.0.weight"], current["net.features.0.weight"])
    alone = weights(trained_in(with_recipe(config, average_weights=0.0), tmp_path / "alone"))
    for name, value in alone.items():  # training itself is as without
        if name.startswith("net."):
            assert torch.equal(value, current[name]), name


@pytest.mark.slow
def test_the_mean_is_what_is_kept_as_best_and_tested(small_config: Config, tmp_path: Path) -> None:
    config = with_recipe(small_config, average_weights=0.9, epochs=1)
    run = directory(tmp_path, "run")
    result = run_experiment(config, run, Status(), [])
    last = torch.load(run.last_checkpoint, weights_only=True)
    averaged = {k: v for k, v in last["state_dict"].items() if k.startswith("net.")}
    best = torch.load(run.best_checkpoint, weights_only=True)
    kept = {k: v for k, v in best["state_dict"].items() if k.startswith("net.")}
    assert_same_bits(kept, averaged)
    assert not torch.equal(
        kept["net.features.0.weight"], last["current_net"]["net.features.0.weight"]
    )
    assert "current_net" not in best  # weights alone, as without a mean
    # The test of the mean, from last.ckpt: with select=last it was right before.
    of_last = retest(with_recipe(config, select="last"), run, config.procedures)
    assert result["errors"] == of_last["errors"]


def steps_on(device: str) -> Any:
    """What the averaging needs of a trainer."""
    return SimpleNamespace(
        global_step=0, strategy=SimpleNamespace(root_device=torch.device(device))
    )


def test_the_mean_is_where_the_net_is_trained(small_config: Config) -> None:
    """Lightning moves the net there later; each step would copy all weights to the host."""
    callback = AveragedNet(0.75)
    module = Classifier(nn.Linear(1, 1), small_config, steps_per_epoch=3)
    callback.setup(steps_on("meta"), module, "fit")
    assert callback._average_model is not None
    assert {v.device.type for v in callback._average_model.state_dict().values()} == {"meta"}


def test_the_mean_is_an_exponential_one(small_config: Config) -> None:
    config = with_recipe(small_config, average_weights=0.75)
    net, callback = nn.Linear(1, 1), AveragedNet(0.75)
    module = Classifier(net, config, steps_per_epoch=3)
    trainer = steps_on("cpu")
    callback.setup(trainer, module, "fit")
    for step, value in enumerate((4.0, 8.0, 0.0), 1):
        trainer.global_step = step
        nn.init.constant_(net.weight, value)
        callback.on_train_batch_end(trainer, module, None, None, step - 1)
    assert callback._average_model is not None
    averaged: Any = callback._average_model.module
    assert averaged.weight.item() == 3.75  # (4 -> 5) * 3 / 4


def test_the_state_of_adamw_counts_twice_in_memory(small_config: Config) -> None:
    cost = net_cost(with_recipe(small_config, optimizer="adamw"))
    assert cost.memory()["weights_training"] == 4 * cost.parameters * BYTES_A_VALUE
    nesterov = net_cost(with_recipe(small_config, optimizer="nesterov"))
    assert nesterov.memory()["weights_training"] == 3 * cost.parameters * BYTES_A_VALUE
    averaged = net_cost(with_recipe(small_config, average_weights=0.9))
    assert averaged.memory()["weights_training"] == 4 * cost.parameters * BYTES_A_VALUE


def test_adamw_leaves_a_net_be_unless_no_gradient_reaches_it() -> None:
    recipe = RecipeConfig(optimizer="adamw")
    bound = optimiser_of(recipe).step_bound
    assert bound(recipe, 1e-30) > 1e30
    assert bound(recipe, 0.0) == 0.0


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optimizer = nesterov, momentum = 0: there is no"):
        parse({"recipe": {"optimizer": "nesterov", "momentum": 0.0}})


@pytest.mark.parametrize(
    ("field", "before", "other"),
    [
        ("optimizer", "sgd", "adamw"),
        ("label_smoothing", 0.0, 0.1),
        ("clip_gradients", 0.0, 1.0),
        ("decay_biases_and_norms", True, False),
    ],
)
def test_a_field_is_in_the_hash_where_it_differs_from_before(
    field: str, before: object, other: object
) -> None:
    assert field not in semantic(parse({"recipe": {field: before}}))["recipe"]
    assert semantic(parse({"recipe": {field: other}}))["recipe"][field] == other


def test_smoothing_is_in_the_training_loss_alone(small_config: Config) -> None:
    """The formula of Szegedy et al., section 7: the label's share is 1 - e + e / K."""
    config = with_recipe(small_config, label_smoothing=0.3)
    classes = config.data.classes
    logits_nk = torch.randn(5, classes, generator=torch.Generator().manual_seed(0))
    batch = Batch(
        images_nchw=logits_nk[:, :, None, None],
        labels_n=torch.arange(5),
        samples_n=np.arange(5),
        step_images=5,
        epoch=0,
        draws={},
    )
    module = Classifier(nn.Flatten(), config, steps_per_epoch=1)
    shares_nk = torch.full((5, classes), 0.3 / classes)
    shares_nk[torch.arange(5), torch.arange(5)] += 0.7
    smoothed = float(-(shares_nk * logits_nk.log_softmax(1)).sum(1).mean())
    plain_loss = float(nn.functional.cross_entropy(logits_nk, batch.labels_n))
    assert smoothed != pytest.approx(plain_loss, rel=0.01)
    assert float(module.training_step(batch, 0)) == pytest.approx(smoothed)
    module.validation_step(batch, 0)
    assert module.train_meter.values()["loss"] == pytest.approx(smoothed)
    assert module.validation_meter.values()["loss"] == pytest.approx(plain_loss)


def used_norms(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Fills with the norm of the gradient that each step of SGD uses."""
    seen: list[float] = []

    def noting(step: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: torch.optim.SGD, closure: Any = None) -> Any:
            if closure is None:  # no step of a run: a kernel is tried
                return step(self)

            def then() -> Any:
                loss = closure()
                parameters = [p for group in self.param_groups for p in group["params"]]
                gradients = [p.grad.float() for p in parameters if p.grad is not None]
                seen.append(float(nn.utils.get_total_norm(gradients)))
                return loss

            return step(self, then)

        return noted

    for kind in (torch.optim.SGD, OnePassSGD):
        monkeypatch.setattr(kind, "step", noting(kind.step))
    return seen


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_no_step_uses_a_gradient_longer_than_the_limit(
    precision: str, small_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = used_norms(monkeypatch)
    tree = plain(with_recipe(small_config, epochs=1))
    tree["trainer"] |= {"precision": precision, "gradient_norms": True, "log_every": 1}
    whole = trained(parse(tree), directory(tmp_path, "whole"))
    free = list(seen)
    seen.clear()
    limit = sorted(free)[len(free) // 2]
    tree["recipe"]["clip_gradients"] = limit
    clipped = trained(parse(tree), directory(tmp_path, "clipped"))
    assert max(free) > 1.2 * limit
    assert max(seen) <= limit * (1 + 1e-4)
    # The first gradient is that of both runs: what is recorded of it is its norm before.
    norms = [
        {key: value for key, value in sink.records[0].items() if key.startswith("gradient_norm/")}
        for sink in (whole, clipped)
    ]
    assert norms[0]
    assert norms[0] == norms[1]


def test_a_limit_that_is_never_reached_changes_nothing(
    small_config: Config, tmp_path: Path
) -> None:
    runs = [directory(tmp_path, name) for name in ("without", "with")]
    config = with_recipe(small_config, epochs=1)
    for run, limit in zip(runs, (0.0, 1e6), strict=True):
        trained(with_recipe(config, clip_gradients=limit), run)
    assert_same_bits(weights(runs[0]), weights(runs[1]))


@pytest.mark.slow
def test_smoothed_clipped_and_spared_runs_resume_exactly(
    small_config: Config, tmp_path: Path
) -> None:
    config = with_recipe(
        small_config, label_smoothing=0.1, clip_gradients=2.0, decay_biases_and_norms=False
    )
    groups = assert_resumes_exactly(config, tmp_path)["optimizer"][0]["param_groups"]
    assert [group["weight_decay"] for group in groups] == [config.recipe.weight_decay, 0.0]


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adamw"])
@pytest.mark.parametrize("decays", [True, False])
def test_decay_spares_biases_and_norms_where_it_is_told_to(name: str, decays: bool) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    recipe = RecipeConfig(
        optimizer=name, learning_rate=0.1, weight_decay=0.5, decay_biases_and_norms=decays
    )
    before = {key: value.clone() for key, value in net.named_parameters()}
    optimizer = optimizer_of(recipe, net.parameters(), fused=False)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    moved = {key for key, value in net.named_parameters() if not torch.equal(value, before[key])}
    everything = {"0.weight", "0.bias", "1.weight", "3.weight", "3.bias"}  # 1.bias is 0
    assert moved == (everything if decays else {"0.weight", "3.weight"})
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(before)
