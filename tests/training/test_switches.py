"""What makes a step fast changes nothing that is computed, or rounding alone; the run says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from kernel_of import needs_packing
from training_runs import assert_same_bits, directory, weights

from vgglab.config import Config, ModelConfig
from vgglab.runs import Result, RunDirectory, Status, read_metrics
from vgglab.training.experiment import run_experiment


def run_with(config: Config, tmp_path: Path, **trainer: Any) -> tuple[RunDirectory, Result]:
    """One epoch of a run with other switches, and its ``result.json``."""
    config = dataclasses.replace(
        config,
        trainer=dataclasses.replace(config.trainer, **trainer),
        recipe=dataclasses.replace(config.recipe, epochs=1),
    )
    run = directory(tmp_path, "-".join(f"{key}-{value}" for key, value in trainer.items()) or "as")
    return run, run_experiment(config, run, Status(), [])


def test_pooling_first_trains_to_the_same_bits(small_config: Config, tmp_path: Path) -> None:
    (ours, result), (plain, other) = (
        run_with(small_config, tmp_path, pool_first=pool_first) for pool_first in (True, False)
    )
    assert_same_bits(weights(ours), weights(plain))
    assert result["errors"] == other["errors"]
    assert [found["hardware"]["pool_first"] for found in (result, other)] == [True, False]


def test_the_pooling_kernel_trains_to_the_same_bits(small_config: Config, tmp_path: Path) -> None:
    (ours, result), (plain, other) = (
        run_with(small_config, tmp_path, pool_kernel=kernel) for kernel in ("auto", "torch")
    )
    if result["hardware"]["pool_kernel"] == "torch":
        pytest.skip("no C++ compiler or no ninja here")
    assert_same_bits(weights(ours), weights(plain))
    assert result["errors"] == other["errors"]
    assert [r["hardware"]["pool_kernel"] for r in (result, other)] == ["cpp", "torch"]


@pytest.mark.slow  # where a processor does not multiply bf16
def test_the_update_kernel_trains_in_bf16_to_the_same_bits_and_records(
    small_config: Config, tmp_path: Path
) -> None:
    in_bf16 = {"precision": "bf16", "gradient_norms": True, "log_every": 1}
    (ours, result), (plain, other) = (
        run_with(small_config, tmp_path, sgd_kernel=kernel, **in_bf16)
        for kernel in ("auto", "torch")
    )
    if result["hardware"]["sgd_kernel"] == "torch":
        pytest.skip("no C++ compiler or no ninja here, or a torch before 2.10")
    assert_same_bits(weights(ours), weights(plain))
    assert result["errors"] == other["errors"]
    assert [r["hardware"]["sgd_kernel"] for r in (result, other)] == ["cpp", "torch"]
    norms = [
        [{k: v for k, v in record.items() if "gradient" in k} for record in read_metrics(path)]
        for path in (ours.metrics, plain.metrics)
    ]
    assert norms[0] == norms[1]
    assert any(norms[0])


def test_the_fused_optimizer_differs_by_rounding(small_config: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(
        small_config, recipe=dataclasses.replace(small_config.recipe, learning_rate=1e-4)
    )  # a rate at which rounding stays small over an epoch
    (ours, result), (plain, other) = (
        run_with(config, tmp_path, fused_optimizer=fused) for fused in (True, False)
    )
    assert [r["hardware"]["fused_optimizer"] for r in (result, other)] == [True, False]
    theirs = weights(plain)
    for name, value in weights(ours).items():
        if name.startswith("net.") and value.is_floating_point():
            torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4)


@needs_packing
def test_packed_weights_give_the_errors_of_autocast(small_config: Config, tmp_path: Path) -> None:
    results = [
        run_with(small_config, tmp_path, precision="bf16", pack_weights=pack)[1]
        for pack in (True, False)
    ]
    assert results[0]["errors"] == results[1]["errors"]
    assert [found["hardware"]["pack_weights"] for found in results] == [True, False]


def test_the_lrn_kernel_is_recorded(small_config: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(small_config, model=ModelConfig(name="a_lrn", width=0.0625))
    _, result = run_with(config, tmp_path, lrn_kernel="torch")
    assert result["hardware"]["lrn_kernel"] == "torch"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_takes_the_same_switches(small_config: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(small_config, model=ModelConfig(name="a_lrn", width=0.0625))
    none = {"pool_first": False, "cudnn_benchmark": False, "fused_optimizer": False}
    for switches in ({"compile": "inductor"}, none | {"compile": "none"}):
        _, result = run_with(config, tmp_path, accelerator="gpu", precision="bf16", **switches)
        assert result["hardware"]["pool_first"] is switches.get("pool_first", True)
        assert result["hardware"]["lrn_kernel"] in ("triton", "compiled", "torch")
        assert result["errors"]["center"]["top1_error"] < 83.3  # chance
