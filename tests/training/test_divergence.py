"""Numbers gone bad: the run ends at that very step, and what was finite before it is kept."""

from __future__ import annotations

import copy
import dataclasses
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from training_runs import Killed, assert_same_bits, directory

from vgglab.config import Config, DigitsConfig
from vgglab.evaluation.poison import poison
from vgglab.runs import RunDirectory, Status, read_metrics
from vgglab.training import experiment
from vgglab.training.checkpoints import checkpoint_step, damage, net_state
from vgglab.training.distributed import ProcessGroup
from vgglab.training.divergence import FiniteWatch
from vgglab.training.module import Classifier
from vgglab.training.net import first_net
from vgglab.training.outcomes import Diverged
from vgglab.world import ALONE

STEPS = 13
"""Of an epoch."""


@pytest.fixture
def config(small_config: Config) -> Config:
    """Two digits alone: 800 images to train on, 100 for validation."""
    assert isinstance(small_config.data, DigitsConfig)
    return dataclasses.replace(
        small_config,
        data=dataclasses.replace(small_config.data, classes=2),
        recipe=dataclasses.replace(small_config.recipe, batch_size=64),
        protocol=dataclasses.replace(small_config.protocol, top_k=(1,)),
    )


class Spoil(nn.Module):
    """Puts a value into one place of what passes, forward or backward, at one call in training."""

    def __init__(self, value: float, call: int, where: str) -> None:
        super().__init__()
        self._value, self._call, self._where = value, call, where
        self._calls = 0

    def forward(self, values_nk: Tensor) -> Tensor:
        if self.training == (self._where != "validation"):
            self._calls += 1
        if self._calls != self._call or self.training == (self._where == "validation"):
            return values_nk
        if self._where == "gradients":
            values_nk.register_hook(self._with_value)
            return values_nk
        return self._with_value(values_nk)

    def _with_value(self, values_nk: Tensor) -> Tensor:
        spoilt_nk = values_nk.clone()
        # Not the label's logit, or the largest: neither loss nor error would show it by itself.
        spoilt_nk[0, spoilt_nk[0].argmin()] = self._value
        return spoilt_nk


def spoilt(
    monkeypatch: pytest.MonkeyPatch, where: str, value: float, step: int, *, at_once: bool = True
) -> None:
    """Every net that is built from here on is spoilt at that step."""
    build: Callable[..., nn.Module] = first_net
    made = FiniteWatch.__init__

    def with_fault(*args: Any) -> nn.Module:
        net = build(*args)
        assert isinstance(net.classifier, nn.Sequential)
        net.classifier.append(Spoil(value, step, where))
        return net

    def watch(self: FiniteWatch, *args: Any, **fields: Any) -> None:
        made(self, *args, **fields | {"at_once": at_once})

    monkeypatch.setattr(experiment, "first_net", with_fault)
    monkeypatch.setattr(FiniteWatch, "__init__", watch)


def finite(state: Any) -> bool:
    return all(value.isfinite().all() for value in state.values())


@pytest.mark.parametrize(
    ("where", "value", "at_once"),
    [
        ("logits", math.nan, True),
        ("logits", -math.inf, False),
        ("gradients", math.nan, False),
        ("gradients", math.inf, True),
    ],
)
def test_it_ends_at_that_step(
    where: str,
    value: float,
    at_once: bool,
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Step 15 is the second of the second epoch; records, and looks, are at 12, 13 and 16."""
    run = directory(tmp_path)
    spoilt(monkeypatch, where, value, 15, at_once=at_once)
    with pytest.raises(Diverged, match=f"{where} are not finite at step 15"):
        experiment.run_experiment(config, run, Status(), [])
    assert checkpoint_step(run.last_checkpoint) == STEPS
    assert damage(run.last_checkpoint) == ""
    assert finite(net_state(run.last_checkpoint))
    assert checkpoint_step(run.finite_checkpoint) == 14
    assert finite(net_state(run.finite_checkpoint))
    assert max(record["step"] for record in read_metrics(run.metrics)) == STEPS


@pytest.mark.parametrize("at_once", [True, False])
def test_it_ends_at_that_step_where_gradients_are_clipped(
    at_once: bool, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clipped infinity would be NaN, and a clipped NaN spoils every gradient."""
    run = directory(tmp_path)
    recipe = dataclasses.replace(config.recipe, clip_gradients=0.1)
    spoilt(monkeypatch, "gradients", math.inf, 15, at_once=at_once)
    with pytest.raises(Diverged, match="gradients are not finite at step 15"):
        experiment.run_experiment(dataclasses.replace(config, recipe=recipe), run, Status(), [])
    assert checkpoint_step(run.finite_checkpoint) == 14
    assert finite(net_state(run.finite_checkpoint))


def test_a_trained_net_is_copied_without_the_watch(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch knows the run's processes, and of several of them a message on its way, which
    nothing can copy."""
    nets = []
    build: Callable[..., nn.Module] = first_net

    def kept(*args: Any) -> nn.Module:
        nets.append(build(*args))
        return nets[0]

    monkeypatch.setattr(experiment, "first_net", kept)
    group = ProcessGroup(ALONE)
    group._pending = threading.Lock(), torch.zeros(())  # like a Work
    experiment.run_experiment(config, directory(tmp_path), Status(), [], group)
    copied = copy.deepcopy(nets[0])
    assert not [module for module in copied.modules() if module._forward_hooks]


def test_what_is_kept_is_the_state_of_the_step_before(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    for name, at_once in (("exact", True), ("lazy", False)):
        run = directory(tmp_path, name)
        with monkeypatch.context() as patched:
            spoilt(patched, "gradients", math.nan, 7, at_once=at_once)
            with pytest.raises(Diverged, match="step 7"):
                experiment.run_experiment(config, run, Status(), [])
        assert not run.last_checkpoint.exists()
        weights = net_state(run.finite_checkpoint)
        kept.append({n: v for n, v in weights.items() if "running" not in n and "num_" not in n})
    assert_same_bits(kept[0], kept[1])
    # The same run, stopped before anything is wrong.
    whole = directory(tmp_path, "whole")
    monkeypatch.setattr(Classifier, "on_train_batch_end", _save_at_6(whole))
    with pytest.raises(Killed):
        experiment.run_experiment(config, whole, Status(), [])
    state = net_state(whole.last_checkpoint)
    assert_same_bits(kept[0], {name: state[name] for name in kept[0]})


def _save_at_6(run: RunDirectory) -> Callable[..., None]:
    def save(self: Classifier, *_: Any) -> None:
        if self.global_step == 6:
            self.trainer.save_checkpoint(run.last_checkpoint)
            raise Killed

    return save


def test_a_loss_that_overflows_alone_is_seen(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Infinite, with finite logits and, by itself, finite gradients."""
    step = Classifier.training_step

    def overflowing(self: Classifier, batch: Any, index: int) -> Tensor:
        loss = step(self, batch, index)
        return loss + math.inf if self.global_step == 4 else loss

    monkeypatch.setattr(Classifier, "training_step", overflowing)
    with pytest.raises(Diverged, match="train loss is not finite at step 5"):
        experiment.run_experiment(config, directory(tmp_path), Status(), [])


def test_with_micro_batches_any_of_them_is_enough(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = dataclasses.replace(config.trainer, accumulate=4)
    spoilt(monkeypatch, "logits", math.nan, 4 * 2 + 2)
    with pytest.raises(Diverged, match="logits are not finite at step 3"):
        experiment.run_experiment(
            dataclasses.replace(config, trainer=trainer),
            directory(tmp_path),
            Status(),
            [],
        )


def test_logits_of_validation_are_seen(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = directory(tmp_path)
    spoilt(monkeypatch, "validation", -math.inf, 1)
    with pytest.raises(Diverged, match="validation loss = nan in epoch 1"):
        experiment.run_experiment(config, run, Status(), [])
    assert not run.last_checkpoint.exists()
    assert not run.best_checkpoint.exists()


def test_logits_of_the_test_are_seen(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validation has one batch in each of the two epochs; the test comes after them."""
    run = directory(tmp_path)
    spoilt(monkeypatch, "validation", -math.inf, 2 + 1)
    with pytest.raises(Diverged, match="test loss = nan under protocol=center"):
        experiment.run_experiment(config, run, Status(), [])
    assert finite(net_state(run.last_checkpoint))
    assert not run.predictions("center").exists()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_poison_shows_one_bad_value_and_changes_no_good_one(bad: float) -> None:
    values = torch.randn(7, 5)
    assert poison(values).item() == 0
    assert torch.equal(values + poison(3e38 * torch.ones(9)), values)
    assert poison(torch.empty(0, 5)).item() == 0
    values[3, 2] = bad
    assert poison(values).isnan()


def test_a_run_with_it_has_the_bits_of_one_without(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(config.recipe, epochs=1)
    config = dataclasses.replace(config, recipe=recipe)
    runs = [directory(tmp_path, name) for name in ("with", "lazy", "without")]
    experiment.run_experiment(config, runs[0], Status(), [])
    with monkeypatch.context() as patched:
        spoilt(patched, "nowhere", 0.0, 0, at_once=False)
        experiment.run_experiment(config, runs[1], Status(), [])
    monkeypatch.setattr(experiment, "FiniteWatch", lambda *_, **__: pl.Callback())
    experiment.run_experiment(config, runs[2], Status(), [])
    for run in runs[:2]:
        assert_same_bits(net_state(run.last_checkpoint), net_state(runs[2].last_checkpoint))


def test_alone_it_asks_nobody() -> None:
    from vgglab.world import ALONE

    watch = FiniteWatch(RunDirectory(Path("run")), ProcessGroup(ALONE), every=1)
    assert watch._cause() == "gradients are"
