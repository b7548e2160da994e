"""The same run on a GPU. Skipped without one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from running import SMALL, Command

from vgglab.config import Config
from vgglab.runs import RunDirectory, Status
from vgglab.training.experiment import run_experiment

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
    assert 0 < result["speed"]["peak_memory_mib"] < 2_000
