"""What a process is set to before it trains or tests, as torch sees it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from training_runs import MemorySink, assert_same_bits, directory, weights

from vgglab.config import Config, InitConfig, ModelConfig, NormConfig, TrainerConfig
from vgglab.models.build import build
from vgglab.models.kernels import select
from vgglab.runs import Status, run_id, write_result
from vgglab.training.experiment import run_experiment
from vgglab.training.process import WORKSPACE, prepare_process
from vgglab.training.trainer import searches_convolutions
from vgglab.workflow.retest import retest


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process is set as for any other run afterwards."""
    monkeypatch.setenv(WORKSPACE, ":0:0")
    yield
    prepare_process(TrainerConfig(threads=torch.get_num_threads()))


def settings() -> tuple[Any, ...]:
    """What torch takes for deterministic."""
    cudnn = torch.backends.cudnn
    is_on = torch.are_deterministic_algorithms_enabled()
    return is_on, cudnn.deterministic, cudnn.benchmark, os.environ[WORKSPACE]


ON = (True, True, False, ":4096:8")


class Looking(MemorySink):
    """Notes the settings at each record."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[Any, ...]] = set()

    def record(self, record: Any) -> None:
        super().record(record)
        self.seen.add(settings())


def deterministic(config: Config) -> Config:
    recipe = dataclasses.replace(config.recipe, epochs=1)
    trainer = dataclasses.replace(config.trainer, deterministic=True)
    return dataclasses.replace(config, recipe=recipe, trainer=trainer)


def test_deterministic_kernels_are_on_in_training_and_in_a_later_test(
    small_config: Config, tmp_path: Path
) -> None:
    config, run, sink = deterministic(small_config), directory(tmp_path), Looking()
    result = run_experiment(config, run, Status(), [sink])
    write_result(run, result)
    assert sink.seen == {ON}
    assert result["hardware"]["deterministic"] is True
    prepare_process(small_config.trainer)
    assert settings()[:2] == (False, False)
    again = retest(config, run, config.procedures)
    assert settings() == ON
    assert again["errors"] == result["errors"]


def test_on_a_cpu_the_bits_are_equal_already(small_config: Config, tmp_path: Path) -> None:
    config = deterministic(small_config)
    plain = dataclasses.replace(config, trainer=small_config.trainer)
    runs = [directory(tmp_path, name) for name in ("deterministic", "plain")]
    for each, run in zip((config, plain), runs, strict=True):
        run_experiment(each, run, Status(), [])
    assert_same_bits(*map(weights, runs))
    assert run_id(config, "data") == run_id(plain, "data")


@pytest.mark.parametrize(
    ("accelerator", "precision", "rounds"),
    [("gpu", "fp32", False), ("gpu", "tf32", True), ("gpu", "bf16", False), ("cpu", "tf32", False)],
)
def test_products_are_rounded_to_tf32_only_where_it_is_asked_for(
    accelerator: Literal["cpu", "gpu"], precision: Literal["fp32", "tf32", "bf16"], rounds: bool
) -> None:
    prepare_process(TrainerConfig(accelerator=accelerator, precision=precision, threads=1))
    assert torch.backends.cuda.matmul.allow_tf32 is rounds
    assert torch.backends.cudnn.allow_tf32 is rounds


def test_a_workspace_that_is_equal_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, ":16:8")
    prepare_process(TrainerConfig(deterministic=True, threads=1))
    assert os.environ[WORKSPACE] == ":16:8"


def test_nothing_on_a_gpu_is_chosen_by_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "_compiler_works", lambda *_, **__: True)
    net = build(
        ModelConfig(width=0.0625), NormConfig(), InitConfig(), classes=10, image_size=32
    )  # fmt: skip
    for is_on in (True, False):
        trainer = TrainerConfig(accelerator="gpu", deterministic=is_on)
        assert select.use_kernels(net, trainer).compile == ("none" if is_on else "inductor")
        assert searches_convolutions(trainer) is not is_on
