"""Runs of several processes, for tests: started, and what they left behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from running import ROOT

from vgglab.runs import read_metrics

STEPS, TRAIN_IMAGES = 20, 2400
"""2,400 images in batches of 125: the 20th and last has 25, which no even number divides."""


@dataclass(frozen=True)
class Trained:
    """What a run left behind."""

    folder: Path

    def state(self, part: str = "state_dict") -> dict[str, torch.Tensor]:
        stored = torch.load(self.folder / "run" / "checkpoints" / "last.ckpt", weights_only=True)
        return {k: v for k, v in stored[part].items() if k.startswith("net.")}

    @property
    def result(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return loaded

    @property
    def seen(self) -> dict[int, dict[int, float]]:
        """Step -> sample -> sum of its pixels as augmented, over all processes."""
        steps: dict[int, dict[int, float]] = {}
        for path in self.folder.glob("seen.*.json"):
            for step, samples, pixels in json.loads(path.read_text()):
                drawn = dict(zip(samples, pixels, strict=True))
                assert not drawn.keys() & steps.get(step, {}).keys(), "an image twice in a step"
                steps.setdefault(step, {}).update(drawn)
        return steps

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Of each process: a hash of its last weights, and what it sent of gradients."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("sent.*.json"))]

    @property
    def errors(self) -> list[float]:
        """Top-1 errors by split, percent."""
        (last,) = [
            r for r in read_metrics(self.folder / "run" / "metrics.jsonl") if "validation/loss" in r
        ]
        test = self.result["errors"]["center"]["top1_error"]
        return [last["train/top1_error"], last["validation/top1_error"], test]


Train = Callable[..., Trained]


def train(
    folder: Path,
    datasets: Path,
    world: int,
    *,
    stop_at: int | None = None,
    spoil_at: int | None = None,
    spoil_test: bool = False,
    double: bool = True,
    **changes: Any,
) -> Trained:
    """Train in ``world`` processes; ``trainer``, ``recipe``, ``model``, ``norm`` and ``protocol``
    replace the config's."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model": {"name": "a", "width": 0.0625, "dropout": 0.5} | changes.get("model", {}),
        "data": {"name": "digits", "classes": 6, "test_fraction": 0.1},
        "recipe": {"epochs": 1, "batch_size": 125, "learning_rate": 0.02 if double else 0.002}
        | changes.get("recipe", {}),
        "norm": {"name": changes.get("norm", "none")},
        "protocol": changes.get("protocol", {}),
        "trainer": {
            "accelerator": "cpu",
            "precision": "fp32",
            "memory_format": "channels_last",
            "threads": 1,
            "log_every": 1,
        }
        | changes.get("trainer", {}),
        "paths": {"runs": str(folder), "data": str(datasets)},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = []
    for rank in range(world):
        variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        variables |= {"DOUBLE": "1"} if double else {}
        if world > 1:
            variables |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
            variables |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        if stop_at is not None:
            variables["STOP_AT"] = str(stop_at)
        if spoil_at is not None:
            variables["SPOIL_AT"] = str(spoil_at)
        if spoil_test:
            variables["SPOIL_TEST"] = "1"
        command = [sys.executable, str(ROOT / "tests" / "training" / "ddp_worker.py"), str(folder)]
        processes.append(
            subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.PIPE, text=True)
        )
    codes = []
    for process in processes:
        _, said = process.communicate(timeout=240)
        codes.append(process.returncode)
        assert process.returncode == (0 if stop_at is None else 130), said
    return Trained(folder)


def distances(one: Trained, other: Trained, part: str = "state_dict") -> dict[str, float]:
    """Relative difference of each parameter and buffer, in its norm, and of all together."""
    mine, theirs = one.state(part), other.state(part)
    assert mine.keys() == theirs.keys()
    # A bias before batch norm has no gradient but rounding.
    names = [n for n, v in mine.items() if v.is_floating_point() and v.norm() > 1e-9]
    gaps = {name: float((mine[name].double() - theirs[name].double()).norm()) for name in names}
    norms = {name: float(mine[name].double().norm()) for name in names}
    together = np.linalg.norm(list(gaps.values())) / np.linalg.norm(list(norms.values()))
    return {name: gaps[name] / norms[name] for name in names} | {"all": float(together)}


def step_losses(run: Trained) -> list[float]:
    records = read_metrics(run.folder / "run/metrics.jsonl")
    return [r["train/step_loss"] for r in records if "train/step_loss" in r]
