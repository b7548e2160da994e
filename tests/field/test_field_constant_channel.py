"""A4: images with a channel that is constant, and statistics that are not finite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import directory

from vgglab.config import Config, plain
from vgglab.config.parse import parse
from vgglab.data.errors import DataError
from vgglab.data.normalise import ColorStatistics, Normalisation, load_or_compute
from vgglab.runs import Status
from vgglab.training.experiment import run_experiment


def two_channels(root: Path, blue: int) -> Path:
    """Dark and light images in red and green, as a microscope with two dyes makes them."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (root / name).mkdir(parents=True)
        for number in range(20):
            low = 20 + 100 * label
            pixels = generator.integers(low, low + 100, (40, 40, 3)).astype(np.uint8)
            pixels[..., 2] = blue
            Image.fromarray(pixels).save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture
def of_folder(small_config: Config, tmp_path: Path) -> Config:
    """A run on such images, whose third channel is 77: its variance is rounded to below 0."""
    tree = plain(small_config)
    root = str(two_channels(tmp_path / "images", 77))
    tree["data"] = {"name": "folder", "root": root, "classes": 2, "image_size": 32, "flip": False}
    scales = {"scale_min": 36, "scale_max": 36}
    tree["recipe"] |= scales | {"epochs": 1, "batch_size": 8, "color_shift": 0.1}
    tree["protocol"]["top_k"] = [1]
    tree["trainer"]["workers"] = 1
    return parse(tree)


def test_a_run_on_two_channel_images_trains(
    of_folder: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = run_experiment(of_folder, directory(tmp_path), Status(), [])
    assert result["trainability"]["state"] == "finished"
    assert "channel 3 of 3 is 77 in every training image" in caplog.text


@pytest.mark.parametrize("value", [0, 1, 77, 128, 255])
def test_a_constant_channel_is_divided_by_one(value: int) -> None:
    generator = np.random.default_rng(0)
    images_nchw = generator.integers(0, 256, (8, 3, 13, 11)).astype(np.uint8)
    images_nchw[:, 1] = value
    statistics = ColorStatistics.of(torch.from_numpy(images_nchw))
    for normalise in (
        Normalisation.of(images_nchw),
        Normalisation.by(statistics.mean_c, statistics.deviation_c),
    ):
        assert normalise.deviation_c[1] == 1
        assert normalise.deviation_c[0] > 60
        normal_nchw = normalise(torch.from_numpy(images_nchw))
        assert normal_nchw.isfinite().all()
        assert normal_nchw[:, 1].abs().max() < 1e-4


@pytest.mark.parametrize("deviation", [0.0, float("nan"), float("inf")])
def test_input_that_would_not_be_finite_is_an_error(deviation: float) -> None:
    with pytest.raises(DataError, match="must be finite, and no deviation 0"):
        Normalisation((1.0,), (deviation,))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"mean_c": [1, 1], "covariance_cc": [[1, 0], [NaN, 1]]}']
)
def test_damaged_statistics_are_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "moments.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"moments\.json: damaged .*remove it"):
        load_or_compute(path, lambda: ColorStatistics((0.0,), ((1.0,),)))
