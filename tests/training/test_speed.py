"""The clock of an epoch that is gone on with in another attempt; what part of a step is data."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from vgglab.training.speed import SpeedMeter


def begun(state: dict[str, Any] | None = None) -> tuple[SpeedMeter, Any]:
    """A meter at the start of a training, gone on with from a state."""
    meter = SpeedMeter(ideal=1.0)
    strategy = type("Strategy", (), {"root_device": torch.device("cpu")})
    trainer: Any = type("Cpu", (), {"strategy": strategy, "accumulate_grad_batches": 1})
    if state is not None:
        meter.load_state_dict(state)
    meter.on_train_start(trainer, trainer)
    return meter, trainer


def seconds_of(meter: SpeedMeter, trainer: Any) -> float:
    """The time of an epoch that ends now, with a step."""
    batch: Any = type("OneImage", (), {"step_images": 1})
    meter.on_train_batch_end(trainer, trainer, None, batch, 0)
    meter.on_train_epoch_end(trainer, trainer)
    return meter.values()["speed/epoch_seconds"]


def test_the_time_of_an_epoch_has_that_before_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 128.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    meter, trainer = begun()
    meter.on_train_epoch_start(trainer, trainer)
    now += 30
    state = meter.state_dict()
    now += 1000  # until it is gone on with
    resumed, trainer = begun(state)
    now += 5
    twice, trainer = begun(resumed.state_dict())  # stopped again
    now += 2
    assert seconds_of(twice, trainer) == 37
    # No clock decides the state at an epoch's end: ``task=verify`` compares it.
    assert twice.state_dict() == {"open_epoch_seconds": 0.0}
    twice.on_train_epoch_start(trainer, trainer)
    now += 4
    assert seconds_of(twice, trainer) == 4


def test_a_checkpoint_of_before_is_gone_on_with_from_its_own_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    meter, trainer = begun()  # Lightning hands a callback no state where there is none
    now += 3
    assert seconds_of(meter, trainer) == 3


def test_a_record_says_how_much_of_the_time_since_the_last_one_was_waiting_for_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    meter, trainer = begun()
    batch: Any = type("OneImage", (), {"step_images": 1})
    assert "speed/data_percent" not in meter.of_step()  # nothing has passed
    for data, computing, percent in ((9.0, 1.0, 90.0), (1.0, 3.0, 25.0)):
        now += data
        meter.on_train_batch_start()
        now += computing
        meter.on_train_batch_end(trainer, trainer, None, batch, 0)
        assert meter.of_step()["speed/data_percent"] == pytest.approx(percent)
