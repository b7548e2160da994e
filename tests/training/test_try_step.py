"""A step is tried as it will be made, in this process's share of the GPU."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from vgglab import machine
from vgglab.config import Config
from vgglab.memory import limit_bytes
from vgglab.training import try_step
from vgglab.training.try_step import first_that_fits, share_of_card


def test_points_that_share_a_gpu_try_with_a_share_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (0, 80_000))
    monkeypatch.delenv(machine.SHARING, raising=False)
    assert share_of_card() == pytest.approx(0.9)
    assert limit_bytes("gpu") == 80_000
    monkeypatch.setenv(machine.SHARING, "4")
    assert share_of_card() == pytest.approx(0.9 / 4)
    assert limit_bytes("gpu") == 20_000


def test_a_gpu_without_room_for_cuda_has_no_limit_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise torch.AcceleratorError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "mem_get_info", full)
    assert limit_bytes("gpu") is None


def test_an_error_of_the_driver_means_that_the_division_does_not_fit(
    small_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(config: Config, images: int) -> None:
        if images > 40:
            raise torch.AcceleratorError("CUDA error: out of memory")

    monkeypatch.setattr(try_step, "_steps", steps)
    assert first_that_fits(small_config, [1, 2, 4, 8]) == 4


def test_the_try_searches_convolutions_as_the_run_does(
    small_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def first(config: Config, divisions: object) -> None:
        seen.append(torch.backends.cudnn.benchmark)

    monkeypatch.setattr(try_step, "first_that_fits", first)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda _: None)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    for searches in (True, False):
        trainer = dataclasses.replace(
            small_config.trainer, accelerator="gpu", cudnn_benchmark=searches
        )
        try_step.try_divisions(dataclasses.replace(small_config, trainer=trainer), [1])
    assert seen == [True, False]


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_the_mean_of_the_weights_takes_its_memory_in_the_try(
    share: float, small_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[object] = []
    monkeypatch.setattr(copy, "deepcopy", copied.append)
    recipe = dataclasses.replace(small_config.recipe, average_weights=share)
    try_step._steps(dataclasses.replace(small_config, recipe=recipe), 2)
    assert len(copied) == (share > 0)
