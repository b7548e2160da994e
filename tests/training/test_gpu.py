"""The same run on a GPU. Skipped without one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from running import SMALL, Command
from training_runs import assert_same_bits, directory, weights

from vgglab.config import Config, ModelConfig, TrainerConfig
from vgglab.runs import RunDirectory, Status
from vgglab.training.experiment import run_experiment
from vgglab.training.process import prepare_process

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two NVIDIA GPUs")
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_two_gpus_train_the_run_of_one(norm: str, command: Command, tmp_path: Path) -> None:
    overrides = (*SMALL, f"norm={norm}", "trainer=gpu", "recipe.epochs=1")
    errors = []
    for devices in (1, 2):
        folder = f"paths.runs=on{devices}"
        ended = command(*overrides, folder, f"devices={devices}")
        assert ended.returncode == 0, ended.stderr
        (result,) = tmp_path.glob(f"on{devices}/*/result.json")
        errors.append(json.loads(result.read_text())["errors"]["center"]["top1_error"])
    assert errors[1] == pytest.approx(errors[0], abs=5)


def test_the_peak_of_memory_is_the_runs_own(small_config: Config, tmp_path: Path) -> None:
    """The first of two runs measures the ceiling, whose tensors are larger than its net.

    Without cuDNN's search, which takes memory in the first run and is not repeated in the second.
    """
    trainer = dataclasses.replace(
        small_config.trainer, accelerator="gpu", precision="bf16", cudnn_benchmark=False
    )
    paths = dataclasses.replace(small_config.paths, data=str(tmp_path / "data"))
    config = dataclasses.replace(small_config, trainer=trainer, paths=paths)
    peaks = []
    for name in ("first", "second"):
        run = RunDirectory(tmp_path / name)
        run.path.mkdir()
        peaks.append(run_experiment(config, run, Status(), [])["speed"]["peak_memory_mib"])
    assert peaks[0] == pytest.approx(peaks[1], rel=0.05)


def test_deterministic_runs_are_equal_to_the_bit(small_config: Config, tmp_path: Path) -> None:
    trainer = dataclasses.replace(
        small_config.trainer, accelerator="gpu", precision="bf16", deterministic=True
    )
    model = ModelConfig(name="a_lrn", width=0.0625)
    config = dataclasses.replace(small_config, model=model, trainer=trainer)
    runs = [directory(tmp_path, name) for name in ("one", "two")]
    results = [run_experiment(config, run, Status(), []) for run in runs]
    assert_same_bits(*map(weights, runs))
    assert results[0]["errors"] == results[1]["errors"]


LIMITS: tuple[tuple[Literal["fp32", "tf32"], float, float], ...] = (
    ("fp32", 0, 1e-5),
    ("tf32", 1e-4, 1e-2),
)
"""Least and largest relative error of a precision."""


def test_fp32_is_not_rounded_as_tf32_is() -> None:
    """By a product and by a convolution, against the same in double precision."""
    draw = torch.Generator("cuda").manual_seed(0)
    left, right = torch.randn(2, 512, 512, generator=draw, device="cuda").unbind()
    maps = left.reshape(4, 64, 32, 32)
    filters = right.flatten()[: 64 * 64 * 9].reshape(64, 64, 3, 3)
    for precision, least, most in LIMITS:
        prepare_process(TrainerConfig(accelerator="gpu", precision=precision, threads=1))
        for operation, one, other in (
            (torch.matmul, left, right),
            (torch.nn.functional.conv2d, maps, filters),
        ):
            exact = operation(one.double(), other.double())
            error = (operation(one, other) - exact).norm() / exact.norm()
            assert least <= error < most, (precision, operation)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_learns_what_a_cpu_learns(
    precision: Literal["fp32", "bf16"], small_config: Config, tmp_path: Path
) -> None:
    trainer = dataclasses.replace(small_config.trainer, accelerator="gpu", precision=precision)
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    result = run_experiment(dataclasses.replace(small_config, trainer=trainer), run, Status(), [])
    assert result["hardware"]["accelerator"] == "gpu"
    assert result["errors"]["center"]["top1_error"] < 60  # chance is 83.3
    speed = result["speed"]
    assert 0 < speed["peak_memory_mib"] <= speed["card_memory_mib"] < 2_000
    assert speed["host_memory_mib"] > 500
