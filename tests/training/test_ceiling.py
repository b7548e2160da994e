"""The machine's ceiling is measured once, and speed is held against it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from vgglab.config import Config
from vgglab.models.cost import describe
from vgglab.runs import RunDirectory, Status, read_metrics
from vgglab.training import ceiling as ceiling_module
from vgglab.training.ceiling import ceiling, flops_per_image
from vgglab.training.experiment import run_experiment

HARDWARE = {
    "accelerator": "cpu",
    "device": "a processor",
    "host": "bench",
    "precision": "fp32",
    "threads": 1,
    "memory_format": "channels_last",
}


def test_it_is_measured_once_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def measure(*arguments: Any) -> dict[str, float]:
        calls.append(arguments)
        return {"linear": 2e9, "convolution": 3e9}

    monkeypatch.setattr(ceiling_module, "_measure", measure)
    assert ceiling(tmp_path, HARDWARE) == 3e9
    assert ceiling(tmp_path, HARDWARE | {"memory_format": "contiguous"}) == 3e9
    assert len(calls) == 1
    ceiling(tmp_path, HARDWARE | {"threads": 2})
    ceiling(tmp_path, HARDWARE | {"precision": "bf16"})
    assert len(calls) == 3
    stored = [json.loads(path.read_text()) for path in (tmp_path / "ceilings").glob("*.json")]
    assert {entry["host"] for entry in stored} == {"bench"}


def test_a_gpus_memory_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def measure(*_: Any) -> dict[str, float]:
        calls.append("measured")
        return {"linear": 2e9, "convolution": 3e9}

    monkeypatch.setattr(ceiling_module, "_measure", measure)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("emptied"))
    ceiling(tmp_path, HARDWARE | {"accelerator": "gpu"})
    assert calls == ["measured", "emptied"]


def test_a_real_ceiling_is_a_rate_that_a_processor_can_have(tmp_path: Path) -> None:
    assert 1e8 < ceiling(tmp_path, HARDWARE) < 1e14


def test_training_costs_three_forward_passes() -> None:
    assert flops_per_image(5) == 2 * 5 * 3


@pytest.mark.slow
def test_mfu_is_speed_over_what_the_ceiling_allows(small_config: Config, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    paths = dataclasses.replace(small_config.paths, data=str(tmp_path / "data"))
    result = run_experiment(dataclasses.replace(small_config, paths=paths), run, Status(), [])
    (stored,) = tmp_path.glob("data/ceilings/*.json")
    rates = json.loads(stored.read_text())
    peak = max(rates["linear"], rates["convolution"])
    net = describe(small_config.model, small_config.norm, classes=6, image_size=32, in_channels=1)
    for record in (r for r in read_metrics(run.metrics) if "speed/mfu" in r):
        flops = 6 * net.macs * record["speed/images_per_second"]
        assert record["speed/mfu"] == pytest.approx(100 * flops / peak)
        assert 0 < record["speed/mfu"] < 100
    assert result["speed"]["mfu"] > 0
