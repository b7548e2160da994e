"""What the net is shown, from the config on: alike on any number of processes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from image_folder import write_image_folder
from torch import Tensor

from vgglab.config import Config
from vgglab.config.parse import parse
from vgglab.data.augment import RandomCrops
from vgglab.data.color_shift import color_shift
from vgglab.data.decode import UnreadableImage
from vgglab.data.device import CPU, to_device
from vgglab.data.loaders import Batch, Loader
from vgglab.data.module import ImageData
from vgglab.data.normalise import ColorStatistics, Normalisation
from vgglab.data.resize import center_crop, rescaled
from vgglab.world import World


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("images"), 120)


@pytest.fixture(params=["digits", "folder"])
def config(request: pytest.FixtureRequest, folder: Path, datasets: Path) -> Config:
    data: dict[str, Any] = {"name": "digits", "test_fraction": 0.45, "validation_fraction": 0.45}
    if request.param == "folder":
        data = {"name": "folder", "root": str(folder), "image_size": 32}
    return parse(
        {
            "data": data | {"flip": True},
            "recipe": {
                "scale_min": 34,
                "scale_max": 48,
                "color_shift": 0.5,
                "batch_size": 16,
                "normalise": "mean",
            },
            "trainer": {"accelerator": "cpu", "workers": 0},
            "paths": {"data": str(datasets)},
        }
    )


def data_of(config: Config, world: World, *, training: bool = True) -> ImageData:
    data = ImageData(config, torch.channels_last, world)
    progress = SimpleNamespace(current=SimpleNamespace(processed=2, ready=0))
    loop = SimpleNamespace(
        epoch_progress=progress, epoch_loop=SimpleNamespace(batch_progress=progress)
    )
    trainer: Any = SimpleNamespace(training=training, fit_loop=loop)
    data.trainer = trainer
    return data


def shown(data: ImageData, loader: Loader, batches: int = 4) -> dict[int, Tensor]:
    """What the net sees of the images of the first batches."""
    found: dict[int, Tensor] = {}
    for index, batch in zip(range(batches), loader, strict=False):
        moved = data.transfer_batch_to_device(batch, CPU, 0)
        done = data.on_after_batch_transfer(moved, 0)
        assert len(done.images_nchw) == len(batch.samples_n), index
        found |= dict(zip(done.samples_n.tolist(), done.images_nchw, strict=True))
    return found


def test_processes_see_what_one_sees(config: Config) -> None:
    alone = data_of(config, World())
    expected = shown(alone, alone.train_dataloader())
    seen: dict[int, Tensor] = {}
    for rank in range(3):
        part = data_of(config, World(rank=rank, size=3, local_size=3))
        seen |= shown(part, part.train_dataloader())
    assert seen.keys() == expected.keys()
    assert all(torch.equal(seen[sample], image) for sample, image in expected.items())


def tolerance(config: Config) -> float:
    """Files are resized by Pillow."""
    return 2.001 if config.data.name == "folder" else 1e-3


def test_training_images_are_crops_shifted_in_colour(config: Config) -> None:
    data = data_of(config, World())
    crops = RandomCrops(seed=0, smallest=34, largest=48, size=32, flip=True)
    shift = color_shift(config, data.splits)
    assert shift is not None
    for sample, image_chw in shown(data, data.train_dataloader(), 1).items():
        one = np.array([sample])
        whole_chw = data.splits.train.image_chw(sample)
        drawn = to_device(crops.draws(2, one, *whole_chw.shape[1:]), CPU)
        (pixels_chw,) = crops(Batch(whole_chw[None], torch.zeros(1), one, 2, 1, drawn)).float()
        pixels_chw += torch.from_numpy(shift(2, one)[0])[:, None, None]
        mean_c11 = torch.tensor(data.normalise.mean_c)[:, None, None]
        assert torch.allclose(image_chw, pixels_chw - mean_c11, atol=tolerance(config))
    assert set(data.normalise.deviation_c) == {1.0}


def test_validation_is_at_the_centre_of_q(config: Config) -> None:
    data = data_of(config, World(), training=False)
    images = data.splits.validation
    for sample, image_chw in shown(data, data.val_dataloader(), 1).items():
        whole_chw = rescaled(images.image_chw(sample), 41)  # (34 + 48) / 2
        expected_chw = data.normalise(center_crop(whole_chw, 32)[None])[0]
        assert torch.allclose(image_chw, expected_chw, atol=tolerance(config))


@pytest.mark.parametrize("config", ["digits"], indirect=True)
def test_without_a_scale_an_image_in_memory_is_moved_as_before(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("rescaled")

    monkeypatch.setattr("vgglab.data.module.rescaled", never)
    monkeypatch.setattr("vgglab.data.augment.rescaled", never)
    recipe = dataclasses.replace(config.recipe, scale_min=0, scale_max=0, color_shift=0.0)
    data = data_of(dataclasses.replace(config, recipe=recipe), World())
    assert data.splits.train.image_chw(0).shape == (1, 32, 32)
    assert len(shown(data, data.train_dataloader())) == 64


def test_statistics_of_files_are_computed_once_and_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse(
        {
            "data": {"name": "folder", "root": str(folder), "image_size": 32},
            "recipe": {"scale_min": 40, "scale_max": 40, "color_shift": 0.1},
            "trainer": {"workers": 0},
            "paths": {"data": str(tmp_path)},
        }
    )
    first = ImageData(config, torch.channels_last)
    train = first.splits.train
    exact = ColorStatistics.of(train.image_chw(index) for index in range(len(train)))
    assert first.normalise == Normalisation(exact.mean_c, exact.deviation_c)
    monkeypatch.setattr(ColorStatistics, "of", lambda _: pytest.fail("computed again"))
    moved = dataclasses.replace(config, seed=1)
    assert ImageData(moved, torch.channels_last).normalise == first.normalise
    assert len(list(tmp_path.glob("moments/*.json"))) == 1


def test_a_broken_training_file_is_named_before_training(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path / "images", 100)
    for file in root.glob("*/*.jpg"):
        file.write_bytes(b"")
    config = parse(
        {
            "data": {"name": "folder", "root": str(root), "image_size": 32},
            "recipe": {"scale_min": 40, "scale_max": 40},
            "trainer": {"workers": 0},
            "paths": {"data": str(tmp_path)},
        }
    )
    with pytest.raises(UnreadableImage, match=r"images/0/\d+.jpg: an empty file"):
        ImageData(config, torch.channels_last)
