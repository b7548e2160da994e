"""A run on image files, with jitter and colour shift: interrupted, it ends with the same bits."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from image_folder import write_image_folder
from training_runs import MemorySink

from vgglab.config import Config, FolderConfig
from vgglab.config.parse import parse
from vgglab.data.sources.registry import load_splits
from vgglab.evaluation.fusion import fused
from vgglab.evaluation.predictions import most_wrong
from vgglab.runs import RunDirectory, Status, read_metrics
from vgglab.training.checkpoints import checkpoint_step
from vgglab.training.experiment import run_experiment
from vgglab.training.stop import Interrupted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("images"), 240)


@pytest.fixture
def config(folder: Path, datasets: Path) -> Config:
    return parse(
        {
            "model": {"name": "a", "width": 0.0625},
            "norm": {"name": "batch"},
            "data": {"name": "folder", "root": str(folder), "image_size": 32, "flip": False},
            "recipe": {
                "epochs": 2,
                "batch_size": 32,
                "scale_min": 36,
                "scale_max": 44,
                "color_shift": 0.1,
            },
            "trainer": {
                "accelerator": "cpu",
                "precision": "fp32",
                "memory_format": "channels_last",
                "threads": 1,
                "log_every": 1,
                "workers": 1,
            },
            "paths": {"data": str(datasets)},
        }
    )


@pytest.mark.slow
def test_interrupted_within_an_epoch_it_goes_on_at_the_step(config: Config, tmp_path: Path) -> None:
    runs = [RunDirectory(tmp_path / name) for name in ("whole", "cut")]
    for run in runs:
        run.path.mkdir()
    result = run_experiment(config, runs[0], Status(), [])
    assert result["errors"]["center"]["images"] == 50
    stop = MemorySink(signal_at_step=8)  # 6 steps an epoch
    with pytest.raises(Interrupted):
        run_experiment(config, runs[1], Status(), [stop])
    assert checkpoint_step(runs[1].last_checkpoint) == 8
    stored = torch.load(runs[1].last_checkpoint, weights_only=True)["callbacks"]["SpeedMeter"]
    before = stored["open_epoch_seconds"]
    begun = time.monotonic()
    resumed = run_experiment(config, runs[1], Status(), [])
    assert resumed["errors"] == result["errors"]
    elapsed = time.monotonic() - begun
    records = read_metrics(runs[1].metrics)
    seconds = [r["speed/epoch_seconds"] for r in records if "speed/epoch_seconds" in r]
    # The time between the attempts is no part of the resumed epoch; that before the stop is.
    assert 0 < before < seconds[-1] < before + elapsed
    assert resumed["speed"]["train_seconds"] == pytest.approx(sum(seconds))
    losses, again = (
        [record.get("train/step_loss") for record in read_metrics(run.metrics)] for run in runs
    )
    assert len(losses) == 12
    assert losses == again
    whole, cut = (torch.load(run.last_checkpoint, weights_only=True)["state_dict"] for run in runs)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


@pytest.mark.slow
def test_a_skipped_test_image_is_an_error(config: Config, folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "spoilt"
    shutil.copytree(folder, root)
    assert isinstance(config.data, FolderConfig)
    data = dataclasses.replace(config.data, root=str(root), on_error="skip")
    splits = load_splits(FolderConfig(root=str(root)), tmp_path)
    spoilt = [splits.train.path(5), splits.test.path(0), splits.test.path(7)]
    for path in spoilt:
        path.write_bytes(b"no image")
    recipe = dataclasses.replace(config.recipe, epochs=1)
    paths = dataclasses.replace(config.paths, data=str(tmp_path))
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    config = dataclasses.replace(config, data=data, recipe=recipe, paths=paths)
    result = run_experiment(config, run, Status(), [])

    assert result["test"] == {"images": 50, "skipped": 2, "counted_as": "errors"}
    counts = {"train": 1, "validation": 0, "test": 2}
    assert counts.items() <= result["skipped"].items()
    files = [str(path.relative_to(root)) for path in spoilt]
    assert [file for _, file, _ in result["skipped"]["files"]] == files
    rows = run.skipped.read_text().splitlines()
    assert rows == ["split,file,reason", *(
        f"{split},{file},not an image"
        for split, file in zip(("train", "test", "test"), files, strict=True)
    )]  # fmt: skip
    # Counted from what is stored, with no help of the code that counts.
    table = pq.read_table(run.predictions("center"))
    assert table["index"].to_pylist() == list(range(50))
    assert table["loss"].null_count == 2
    assert table["original"].to_pylist() == splits.test.originals_n.tolist()
    hits = [row["classes"][0] == row["label"] for row in table.to_pylist()]
    assert not hits[0]
    assert not hits[7]
    found = result["errors"]["center"]
    assert found["top1_error"] == pytest.approx(100 * (1 - sum(hits) / 50), abs=1e-4)
    assert found["images"] == 50
    assert found["loss"] == pytest.approx(np.mean(table["loss"].drop_null().to_numpy()), rel=1e-5)
    assert 0 not in [index for index, *_ in most_wrong(table, 50)]
    fusion = fused([table, table], classes=10, top_k=(1, 5))
    assert fusion.errors[1] == found["top1_error"]
    assert (fusion.images, fusion.is_exact) == (50, True)
