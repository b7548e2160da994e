"""Normalisation of the images by the statistics of the training split's colours."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.config import Config, FilesConfig
from vgglab.config.identity import semantic
from vgglab.data.cache import create_once
from vgglab.data.device import to_device
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet, whole_images
from vgglab.data.sources.registry import fingerprint, listing_of
from vgglab.data.splits import ImageSet, Splits

log = logging.getLogger(__name__)

Matrix = NDArray[np.float64]
SAMPLED_FILES = 10_000
"""Training files that the statistics are computed from, where there are more: of ImageNet's, their
mean is within 0.3 of that of all (standard error; an image's mean has a deviation of about 30)."""


SMALLEST_DEVIATION = 1e-3
"""Below it a channel has one value in all training images, which rounding leaves a deviation of up
to 1e-5; it is divided by 1."""


@dataclass(frozen=True)
class Normalisation:
    """Subtracts the training split's mean and divides by its standard deviation, channel by
    channel; a channel without any, as the third of two-channel images, is divided by 1."""

    mean_c: tuple[float, ...]
    """In units of a pixel value, 0 to 255."""
    deviation_c: tuple[float, ...]
    _on_device: dict[torch.device, tuple[Tensor, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Mean and deviation (1, C) on each device that has asked for them."""

    def __post_init__(self) -> None:
        # Pixels are whole numbers: what the net is shown is finite if and only if these are.
        if not np.isfinite([*self.mean_c, *self.deviation_c]).all() or 0 in self.deviation_c:
            raise DataError(
                f"normalisation: mean {self.mean_c} and deviation {self.deviation_c} of the "
                "training images must be finite, and no deviation 0"
            )

    @classmethod
    def by(cls, mean_c: Sequence[float], deviation_c: Sequence[float]) -> Normalisation:
        """Normalisation by the statistics of images, some of whose channels may be constant."""
        constant = [c for c, deviation in enumerate(deviation_c) if deviation < SMALLEST_DEVIATION]
        for channel in constant:
            log.warning(
                "channel %d of %d is %.4g in every training image: nothing can be learnt from it",
                *(channel + 1, len(mean_c), mean_c[channel]),
            )
        divisors = [1.0 if c in constant else value for c, value in enumerate(deviation_c)]
        return cls(tuple(mean_c), tuple(divisors))

    @classmethod
    def of(cls, images_nchw: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Normalisation:
        """Normalisation by the exact statistics of images, from the 256-bin histogram of each
        channel."""
        values = np.arange(256)
        means, deviations = [], []
        for channel in range(images_nchw.shape[1]):
            counts = np.bincount(images_nchw[:, channel].ravel(), minlength=256)
            mean = float(counts @ values / counts.sum())
            means.append(mean)
            deviations.append(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())))
        return cls.by(means, deviations)

    def of_kind(self, kind: Literal["deviation", "mean"]) -> Normalisation:
        """This normalisation, or one that subtracts the same mean and divides by 1."""
        match kind:
            case "deviation":
                return self
            case "mean":
                return Normalisation(self.mean_c, (1.0,) * len(self.mean_c))
            case _ as unknown:
                assert_never(unknown)

    def __call__(self, images_nchw: Tensor, shifts_nc: Tensor | None = None) -> Tensor:
        """Normalise a batch.

        Args:
            images_nchw: Pixel values, 0 to 255.
            shifts_nc: Added to the pixels of each image first, in units of a pixel value.

        Returns:
            float32 (N, C, H, W), about zero.
        """
        device, (_, channels, _, width) = images_nchw.device, images_nchw.shape
        mean_nc, deviation_1c = self._constants(device)
        if shifts_nc is not None:
            mean_nc = mean_nc - shifts_nc
        values_nchw = images_nchw.to(torch.float32, copy=True)
        if channels > 1 and values_nchw.is_contiguous(memory_format=torch.channels_last):
            # Row by row: channel by channel the innermost loop would have three values.
            rows_nhr = values_nchw.permute(0, 2, 3, 1).flatten(2)
            rows_nhr.sub_(mean_nc.repeat(1, width)[:, None])
            rows_nhr.div_(deviation_1c.repeat(1, width)[:, None])
        else:
            values_nchw.sub_(mean_nc[:, :, None, None]).div_(deviation_1c[:, :, None, None])
        return values_nchw

    def _constants(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._on_device:
            constants = {
                name: np.asarray(values_c, dtype=np.float32)[None]
                for name, values_c in (("mean", self.mean_c), ("deviation", self.deviation_c))
            }
            with torch.inference_mode(False):  # they are for training, too
                moved = to_device(constants, device)
            self._on_device[device] = moved["mean"], moved["deviation"]
        return self._on_device[device]


@dataclass(frozen=True)
class ColorStatistics:
    """Mean and covariance of the channels' values, 0 to 255, over the pixels of training images."""

    mean_c: tuple[float, ...]
    covariance_cc: tuple[tuple[float, ...], ...]

    @property
    def deviation_c(self) -> tuple[float, ...]:
        """Standard deviation of each channel."""
        variances_c = np.maximum(np.diag(self.covariance_cc), 0)  # rounded, 0 may be below it
        return tuple(float(value) for value in np.sqrt(variances_c))

    @classmethod
    def of(cls, images: Iterable[Tensor]) -> ColorStatistics:
        """Statistics of images (C, H, W), uint8; each image counts alike, whatever its size."""
        count = 0
        first_c: Matrix | float = 0.0
        second_cc: Matrix | float = 0.0
        for image_chw in images:
            pixels_cp = image_chw.numpy().reshape(image_chw.shape[0], -1).astype(np.float64)
            first_c = first_c + pixels_cp.mean(axis=1)
            second_cc = second_cc + pixels_cp @ pixels_cp.T / pixels_cp.shape[1]
            count += 1
        assert count, "statistics of no image"
        mean_c = np.asarray(first_c) / count
        covariance_cc = np.asarray(second_cc) / count - np.outer(mean_c, mean_c)
        return cls(tuple(mean_c.tolist()), tuple(map(tuple, covariance_cc.tolist())))


def load_or_compute(path: Path, compute: Callable[[], ColorStatistics]) -> ColorStatistics:
    """The statistics stored in ``path``, computed and stored first where they are not.

    Raises:
        DataError: the file is damaged.
    """
    with create_once(path) as temporary:
        if temporary is not None:
            temporary.write_text(json.dumps(asdict(compute())), encoding="utf-8")
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        mean_c, covariance_cc = (
            np.array(stored[k], np.float64) for k in ("mean_c", "covariance_cc")
        )
        if covariance_cc.shape != 2 * mean_c.shape or not np.isfinite(covariance_cc).all():
            raise ValueError("no covariance")
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error}); remove it, and it is made again") from error
    return ColorStatistics(tuple(mean_c.tolist()), tuple(map(tuple, covariance_cc.tolist())))


def normalisation(config: Config, splits: Splits[ImageSet] | Splits[FileSet]) -> Normalisation:
    """The normalisation that the recipe asks for, by the training split.

    Raises:
        DataError: a training file is not readable.
    """
    match splits.train:
        case ImageSet() as images:
            by_deviation = Normalisation.of(images.images_nchw)
        case FileSet() as files:
            statistics = color_statistics(config, files)
            by_deviation = Normalisation.by(statistics.mean_c, statistics.deviation_c)
        case _ as unknown:
            assert_never(unknown)
    return by_deviation.of_kind(config.recipe.normalise)


def color_statistics(config: Config, train: ImageSet | FileSet) -> ColorStatistics:
    """Statistics of the training split, kept under ``paths.data``; of files, from a sample.

    Raises:
        DataError: a training file is not readable.
    """
    made_from = [fingerprint(config.data, config.paths.data_folder)]
    if isinstance(config.data, FilesConfig):
        files = listing_of(config.data).fingerprint()
        # The published sets' own is of their archives, which two folders of other sizes may share.
        made_from += [files] if files not in made_from[0] else []
    content = json.dumps([semantic(config.data), *made_from], sort_keys=True)
    key = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = config.paths.data_folder / "moments" / f"{config.data.name}-{key}.json"
    return load_or_compute(path, lambda: ColorStatistics.of(_images(train, config.trainer.workers)))


def _images(train: ImageSet | FileSet, workers: int) -> Iterator[Tensor]:
    match train:
        case ImageSet():
            return (train.image_chw(index) for index in range(len(train)))
        case FileSet():
            # At equal distances from the first to the last, so that every class has its share.
            chosen = np.linspace(0, len(train) - 1, min(len(train), SAMPLED_FILES))
            return whole_images(train, chosen.astype(np.int64), workers)
        case _ as unknown:
            assert_never(unknown)
