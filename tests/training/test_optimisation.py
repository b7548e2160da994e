"""Learning-rate rules, step by step."""

from __future__ import annotations

import math

import pytest
import torch

from vgglab.config import ScheduleConfig
from vgglab.training.optimisation import Plateau, lambda_rule


def optimizer(learning_rate: float = 1.0) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=learning_rate)


def rates(schedule: ScheduleConfig, steps_per_epoch: int, epochs: int) -> list[float]:
    """The learning rate of every step of a training."""
    sgd = optimizer()
    rule = lambda_rule(sgd, schedule, steps_per_epoch=steps_per_epoch, epochs=epochs)
    seen = []
    for _ in range(steps_per_epoch * epochs):
        seen.append(sgd.param_groups[0]["lr"])
        sgd.step()
        rule.step()
    return seen


def test_step_drops_every_so_many_epochs() -> None:
    seen = rates(ScheduleConfig(name="step", step_epochs=2, factor=0.1), 3, 5)
    assert seen == pytest.approx([1.0] * 6 + [0.1] * 6 + [0.01] * 3)


def test_cosine_falls_from_the_full_rate_towards_nothing() -> None:
    seen = rates(ScheduleConfig(name="cosine"), 10, 2)
    assert seen[0] == 1.0
    assert seen[10] == pytest.approx(0.5)
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 19 / 20)))


def test_warmup_rises_and_meets_the_cosine() -> None:
    seen = rates(ScheduleConfig(name="cosine", warmup_epochs=0.5), 10, 2)
    assert seen[:5] == pytest.approx([i / 6 for i in range(1, 6)])
    assert seen[5] == 1.0
    assert seen[5:] == sorted(seen[5:], reverse=True)


def plateau_rates(errors: list[float], patience: int = 2) -> tuple[list[float], Plateau]:
    sgd = optimizer()
    rule = Plateau(sgd, ScheduleConfig(name="plateau", patience=patience, drops=3))
    seen = []
    for error in errors:
        rule.step(error)
        seen.append(sgd.param_groups[0]["lr"])
    return seen, rule


def test_plateau_drops_after_patience_epochs_without_a_better_error() -> None:
    seen, _ = plateau_rates([50, 40, 40, 41, 39, 38, 38, 38])
    assert seen == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01])


def test_plateau_drops_three_times_and_then_is_exhausted() -> None:
    seen, rule = plateau_rates([50.0] * 7)
    assert seen[-1] == pytest.approx(1e-3)
    assert not rule.is_exhausted
    seen, rule = plateau_rates([50.0] * 9)
    assert seen[-1] == pytest.approx(1e-3)
    assert rule.is_exhausted


def test_plateau_remembers_through_a_checkpoint() -> None:
    _, rule = plateau_rates([50.0] * 5)
    other = Plateau(optimizer(), ScheduleConfig(name="plateau", patience=2, drops=3))
    other.load_state_dict(rule.state_dict())
    assert other.drops_left == rule.drops_left == 1
    assert other.num_bad_epochs == rule.num_bad_epochs
