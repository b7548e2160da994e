"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), read by torchvision."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import numpy as np

from vgglab.config import CifarConfig
from vgglab.data.errors import DataError
from vgglab.data.splits import Images, ImageSet, Labels, Splits, split_originals


def _read(config: CifarConfig, folder: Path, *, train: bool) -> tuple[Images, Labels]:
    """Images (N, 3, 32, 32) and labels (N,), downloaded first where they are not there."""
    from torchvision.datasets import CIFAR10, CIFAR100

    source = CIFAR10 if config.name == "cifar10" else CIFAR100
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


def make_cifar(config: CifarConfig, folder: Path) -> Splits[ImageSet]:
    """The published test split; validation is taken from the training images, class by class."""
    images_nchw, labels_n = _read(config, folder, train=True)
    tests_nchw, test_labels_n = _read(config, folder, train=False)
    members = split_originals(
        labels_n,
        test_fraction=0.0,
        validation_fraction=config.validation_images / len(labels_n),
        seed=config.split_seed,
    )
    train, validation = (
        ImageSet(images_nchw[i], labels_n[i], i) for i in (members["train"], members["validation"])
    )
    # The published test images are originals of their own: numbered after the training ones.
    test_originals = np.arange(len(test_labels_n)) + len(labels_n)
    return Splits(
        train=train,
        validation=validation,
        test=ImageSet(tests_nchw, test_labels_n, test_originals),
    )
