"""What the training split says about its own colours: the normalisation and the colour shift."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from vgglab.config import Config
from vgglab.config.identity import semantic
from vgglab.data.augment import Normalisation
from vgglab.data.color_moments import Moments, load_or_compute
from vgglab.data.color_shift import ColorShift
from vgglab.data.file_loaders import whole_images
from vgglab.data.files import FileSet
from vgglab.data.sources.registry import fingerprint
from vgglab.data.splits import ImageSet, Splits

SAMPLED_FILES = 10_000
"""Training files that the moments are computed from, where there are more: of ImageNet's, their
mean is within 0.3 of that of all (standard error; an image's mean has a deviation of about 30)."""


def normalisation(config: Config, splits: Splits[ImageSet] | Splits[FileSet]) -> Normalisation:
    """From pixels to what the net is given.

    Raises:
        DataError: a training file is not readable.
    """
    if isinstance(splits.train, ImageSet):
        by_deviation = Normalisation.of(splits.train.images_nchw)
    else:
        moments = _moments(config, splits.train)
        by_deviation = Normalisation(moments.mean_c, moments.deviation_c)
    return by_deviation.of_kind(config.recipe.normalise)


def color_shift(config: Config, splits: Splits[ImageSet] | Splits[FileSet]) -> ColorShift | None:
    """The recipe's random shift of colours, if any.

    Raises:
        DataError: a training file is not readable.
    """
    if not config.recipe.color_shift:
        return None
    moments = _moments(config, splits.train)
    return ColorShift.of(moments, seed=config.seed, deviation=config.recipe.color_shift)


def _moments(config: Config, train: ImageSet | FileSet) -> Moments:
    """Kept under ``paths.data``; of a set of files, from a sample of them."""
    made_from = fingerprint(config.data, Path(config.paths.data))
    told = json.dumps([semantic(config.data), made_from], sort_keys=True)
    key = hashlib.sha256(told.encode()).hexdigest()[:16]
    path = Path(config.paths.data) / "moments" / f"{config.data.name}-{key}.json"
    return load_or_compute(path, lambda: Moments.of(_images(train, config.trainer.workers)))


def _images(train: ImageSet | FileSet, workers: int) -> Iterator[Tensor]:
    if isinstance(train, ImageSet):
        return (train.image_chw(index) for index in range(len(train)))
    # Every so many-th, from the first to the last: of all classes alike.
    count = min(len(train), SAMPLED_FILES)
    return whole_images(train, np.linspace(0, len(train) - 1, count).astype(np.int64), workers)
