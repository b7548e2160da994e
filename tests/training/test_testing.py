"""A run's predictions name the original that each test image was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from training_runs import directory

from vgglab.config.parse import parse
from vgglab.data.sources.registry import load_splits
from vgglab.runs import Status
from vgglab.training.experiment import run_experiment

COUNTS = {"train_images": 200, "validation_images": 50, "test_images": 250}
CLUTTERED = {"name": "cluttered_digits", "test_fraction": 0.02} | COUNTS
DIGITS = {"name": "digits", "test_fraction": 0.05, "validation_fraction": 0.4}


@pytest.mark.slow
@pytest.mark.parametrize(("data", "originals"), [(CLUTTERED, 100), (DIGITS, 250)])
def test_test_images_of_one_original_are_known_as_such(
    data: dict[str, Any], originals: int, tmp_path: Path, datasets: Path
) -> None:
    config = parse(
        {
            "model": {"name": "a", "width": 0.0625},
            "norm": {"name": "batch"},
            "data": data,
            "recipe": {"epochs": 1, "batch_size": 100, "scale_min": 36, "scale_max": 36},
            # Several procedures share their forwards, and "both" fuses two of them.
            "protocol": {"also": ["multi_scale", "both"]},
            "trainer": {
                "accelerator": "cpu",
                "precision": "fp32",
                "memory_format": "channels_last",
                "threads": 1,
            },
            "paths": {"data": str(datasets)},
        }
    )
    run = directory(tmp_path)
    run_experiment(config, run, Status(), [])
    split = load_splits(config.data, datasets).test
    for procedure in config.procedures:
        table = pq.read_table(run.predictions(procedure.label))
        original_n = table["original"].to_numpy()
        assert table.schema.field("original").type == "int64"
        assert len(original_n) == 250
        assert len(np.unique(original_n)) == originals
        assert np.array_equal(original_n, split.originals_n[table["index"].to_numpy()])
        labels = set(zip(original_n, table["label"].to_numpy(), strict=True))
        assert len(labels) == originals  # canvases of one digit have its label
