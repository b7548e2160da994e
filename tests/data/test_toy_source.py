"""A data set that is defined in this file alone goes through every public function of the room."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from pydantic.dataclasses import dataclass
from training_runs import MemorySink, directory

from vgglab.config import Config
from vgglab.config.fields import STRICT, Role
from vgglab.data.errors import DataError
from vgglab.data.module import ImageData
from vgglab.data.sources import registry
from vgglab.data.sources.source import MemorySource
from vgglab.data.splits import ImageSet, Splits
from vgglab.runs import Status
from vgglab.training.experiment import run_experiment

CLASSES = 3


@dataclass(config=STRICT, kw_only=True, frozen=True)
class StripesConfig:
    """Noise with a bright stripe, whose place is the class."""

    source: ClassVar[str] = f"{__name__}:STRIPES"
    name: Literal["stripes"] = "stripes"
    image_size: Annotated[int, Role.SCIENTIFIC] = 32
    classes: Annotated[int, Role.SCIENTIFIC] = CLASSES
    images: Annotated[int, Role.SCIENTIFIC] = 30
    shift: Annotated[int, Role.NUISANCE] = 1
    flip: Annotated[bool, Role.FIXED] = False


@dataclass(config=STRICT, kw_only=True, frozen=True)
class SourcelessConfig:
    """A data set that nobody can load."""

    name: Literal["sourceless"] = "sourceless"


def stripes(config: StripesConfig, folder: Path) -> Splits[ImageSet]:
    assert folder.name == config.name
    generator = np.random.default_rng(0)

    def part(first: int) -> ImageSet:
        originals_n = np.arange(first, first + config.images)
        labels_n = originals_n % CLASSES
        size = config.image_size
        images_nchw = generator.integers(0, 90, (config.images, 2, size, size), dtype=np.uint8)
        for image_chw, label in zip(images_nchw, labels_n, strict=True):
            image_chw[:, 8 * label : 8 * label + 8] += 150
        return ImageSet(images_nchw, labels_n, originals_n)

    return Splits(*(part(config.images * number) for number in range(3)))


STRIPES = MemorySource(
    channels=2,
    content=lambda config: f"stripes:{config.images}",
    address=lambda _: "https://example.org/stripes",
    read=stripes,
    published_images=(60, 30),
)
TOY: Any = StripesConfig()
"""Any: the type of a config's data is the union in ``config/data.py``."""


def with_toy(config: Config, data: Any = TOY) -> Config:
    changed = dataclasses.replace(config)
    object.__setattr__(changed, "data", data)  # only the union's data sets come from a file
    return changed


def test_its_row_answers_for_it(tmp_path: Path) -> None:
    assert registry.channels(TOY) == 2
    assert registry.fingerprint(TOY, tmp_path) == "stripes:30"
    assert registry.source_url(TOY) == "https://example.org/stripes"
    assert registry.published_images(TOY) == (60, 30)
    assert registry.skipped_files(TOY, tmp_path) == ()
    splits = registry.load_splits(TOY, tmp_path)
    assert splits.train.images_nchw.shape == (30, 2, 32, 32)
    registry.warn_of_missing_classes(TOY, splits)
    with pytest.raises(DataError, match=r"no train image \(train 0, validation 0, test 0\)"):
        registry.load_splits(dataclasses.replace(TOY, images=0), tmp_path)
    with pytest.raises(DataError, match="has label 2: must be 0 to 1"):
        registry.load_splits(dataclasses.replace(TOY, classes=2), tmp_path)


def test_its_images_are_normalised_and_batched(small_config: Config) -> None:
    data = ImageData(with_toy(small_config), torch.channels_last)
    (batch,) = data.val_dataloader()
    assert batch.images_nchw.shape == (30, 2, 32, 32)
    assert isinstance(data.splits.train, ImageSet)
    normal_nchw = data.normalise(torch.from_numpy(data.splits.train.images_nchw))
    assert torch.allclose(normal_nchw.mean((0, 2, 3)), torch.zeros(2), atol=1e-5)


def test_a_net_is_trained_on_it(small_config: Config, tmp_path: Path) -> None:
    recipe = dataclasses.replace(small_config.recipe, epochs=1, batch_size=10)
    protocol = dataclasses.replace(small_config.protocol, top_k=(1,))
    config = with_toy(dataclasses.replace(small_config, recipe=recipe, protocol=protocol))
    result = run_experiment(config, directory(tmp_path), Status(), [MemorySink()])
    assert result["errors"]["center"]["top1_error"] <= 100


@pytest.mark.parametrize(
    "ask",
    [
        registry.channels,
        registry.published_images,
        registry.source_url,
        lambda config: registry.fingerprint(config, Path()),
        lambda config: registry.load_splits(config, Path()),
        registry.listing_of,
        registry.unpack,
    ],
)
def test_a_config_without_a_source_is_named(ask: Any) -> None:
    with pytest.raises(TypeError, match="SourcelessConfig: has no source; set its class variable"):
        ask(SourcelessConfig())


def test_images_in_memory_have_no_files() -> None:
    with pytest.raises(TypeError, match="StripesConfig: its source has no files"):
        registry.listing_of(TOY)
