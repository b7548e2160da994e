"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), read by torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import numpy as np

from vgglab.config import CifarConfig
from vgglab.data.errors import DataError
from vgglab.data.sources.source import MemorySource
from vgglab.data.splits import Images, ImageSet, Labels, Splits, with_validation

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10


def _torchvision_class(config: CifarConfig) -> type[CIFAR10]:
    from torchvision.datasets import CIFAR10, CIFAR100

    classes: dict[str, type[CIFAR10]] = {"cifar10": CIFAR10, "cifar100": CIFAR100}
    return classes[config.name]


def _read(config: CifarConfig, folder: Path, *, train: bool) -> tuple[Images, Labels]:
    """Images (N, 3, 32, 32) and labels (N,), downloaded first where they are not there."""
    source = _torchvision_class(config)
    try:
        stored = source(str(folder), train=train, download=True)
    except (URLError, OSError, RuntimeError) as error:
        raise DataError(
            f"data={config.name}: not found in {folder.resolve()} and the download failed "
            f"({error}); fetch {source.url} on a machine with network, put the archive there "
            "and run again"
        ) from error
    images_nchw = np.ascontiguousarray(stored.data.transpose(0, 3, 1, 2))
    return images_nchw, np.asarray(stored.targets, dtype=np.int64)


def _splits(config: CifarConfig, folder: Path) -> Splits[ImageSet]:
    """Tests on the published test images and validates on the same share of each class's
    training images.

    Raises:
        DataError: the archive is not there and cannot be downloaded.
    """
    return with_validation(
        _read(config, folder, train=True),
        _read(config, folder, train=False),
        validation_images=config.validation_images,
        train_images=config.train_images,
        seed=config.split_seed,
    )


CIFAR: MemorySource[CifarConfig] = MemorySource(
    channels=3,
    content=lambda config: f"md5:{_torchvision_class(config).tgz_md5}",  # checked on every load
    address=lambda config: str(_torchvision_class(config).url),
    read=_splits,
    published_images=(50_000, 10_000),
)
