"""One experiment, whatever the number of processes and micro-batches (gloo, CPU, float32)."""

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
import pyarrow.parquet as pq
import pytest
import torch
from running import ROOT

from vgglab.runs import read_metrics
from vgglab.training.checkpoints import checkpoint_step

STEPS, TRAIN_IMAGES = 20, 2400
"""2,400 images in batches of 125: the 20th and last has 25, which no even number divides."""


@dataclass(frozen=True)
class Trained:
    """What a run left behind."""

    folder: Path

    @property
    def state(self) -> dict[str, torch.Tensor]:
        stored = torch.load(self.folder / "run" / "checkpoints" / "last.ckpt", weights_only=True)
        return {k: v for k, v in stored["state_dict"].items() if k.startswith("net.")}

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
    def errors(self) -> list[float]:
        """Top-1 errors by split, percent."""
        (last,) = [
            r for r in read_metrics(self.folder / "run" / "metrics.jsonl") if "validation/loss" in r
        ]
        test = self.result["errors"]["center"]["top1_error"]
        return [last["train/top1_error"], last["validation/top1_error"], test]


Train = Callable[..., Trained]


def train(
    folder: Path, datasets: Path, world: int, stop_at: int | None = None, **changes: Any
) -> Trained:
    """Train in ``world`` processes; ``trainer`` and ``norm`` replace the config's."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model": {"name": "a", "width": 0.0625, "dropout": 0.5},
        "data": {"name": "digits", "classes": 6, "test_fraction": 0.1},
        "recipe": {"epochs": 1, "batch_size": 125, "learning_rate": 0.02},
        "norm": {"name": changes.get("norm", "none")},
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
        variables = {"OMP_NUM_THREADS": "1"}
        if world > 1:
            variables |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
            variables |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        if stop_at is not None:
            variables["STOP_AT"] = str(stop_at)
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


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Trained:
    """World size 1, without accumulation."""
    return train(tmp_path_factory.mktemp("alone"), datasets, 1)


def furthest(one: Trained, other: Trained) -> float:
    """Largest relative difference of a parameter tensor, in its norm."""
    mine, theirs = one.state, other.state
    assert mine.keys() == theirs.keys()
    return max(
        float((mine[name].double() - theirs[name].double()).norm() / mine[name].double().norm())
        for name in mine
    )


@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (2, 2), (1, 3)])
def test_the_same_run_in_parts(
    world: int,
    accumulate: int,
    alone: Trained,
    tmp_path: Path,
    datasets: Path,
    record_property: Callable[[str, object], None],
) -> None:
    parts = train(tmp_path, datasets, world, trainer={"accumulate": accumulate})
    seen = alone.seen
    assert parts.seen == seen
    assert len(seen) == STEPS
    assert len(seen[STEPS - 1]) == TRAIN_IMAGES % 125 == 25
    assert parts.errors == alone.errors
    difference = furthest(parts, alone)
    record_property("largest relative difference", difference)
    print(f"world {world} x accumulation {accumulate}: {difference:.1e}, errors {parts.errors}")
    assert 0 < difference < 1e-5
    tables = [
        pq.read_table(run.folder / "run/predictions/center.parquet") for run in (parts, alone)
    ]
    for column in ("index", "label"):
        assert tables[0][column].equals(tables[1][column])
    values = [np.stack(table["log_probabilities"].to_numpy()) for table in tables]
    np.testing.assert_allclose(values[0], values[1], atol=1e-4)


def test_step_losses_are_those_of_the_whole_batch(
    alone: Trained, tmp_path: Path, datasets: Path
) -> None:
    parts = train(tmp_path, datasets, 2, trainer={"accumulate": 2})
    losses = [
        [
            r["train/step_loss"]
            for r in read_metrics(run.folder / "run/metrics.jsonl")
            if "train/step_loss" in r
        ]
        for run in (alone, parts)
    ]
    assert len(losses[0]) == STEPS
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_batch_norm_synchronised_is_batch_norm(tmp_path: Path, datasets: Path) -> None:
    one = train(tmp_path / "one", datasets, 1, norm="batch")
    two = train(tmp_path / "two", datasets, 2, norm="batch")
    local = train(tmp_path / "local", datasets, 2, norm="batch", trainer={"batch_norm": "local"})
    assert furthest(two, one) < 1e-3  # batch norm divides by small deviations of the first steps
    assert furthest(local, one) > 1e-2
    assert two.errors[2] == pytest.approx(one.errors[2], abs=1.0)  # percent


@pytest.mark.parametrize(
    ("before", "after"), [((1, 1), (2, 2)), ((2, 2), (1, 1))], ids=["1 to 2x2", "2x2 to 1"]
)
def test_begun_on_some_and_finished_on_others(
    before: tuple[int, int],
    after: tuple[int, int],
    alone: Trained,
    tmp_path: Path,
    datasets: Path,
) -> None:
    train(tmp_path, datasets, before[0], stop_at=7, trainer={"accumulate": before[1]})
    step = checkpoint_step(tmp_path / "run/checkpoints/last.ckpt")
    assert step == (7 if before[0] == 1 else 8)  # several processes agree a step later
    moved = train(tmp_path, datasets, after[0], trainer={"accumulate": after[1]})
    assert sorted(moved.seen) == list(range(step, STEPS))
    assert furthest(moved, alone) < 1e-5
    assert moved.errors == alone.errors
    steps = [r["step"] for r in read_metrics(tmp_path / "run/metrics.jsonl")]
    assert steps == sorted(set(steps))
    assert steps[-1] == STEPS
