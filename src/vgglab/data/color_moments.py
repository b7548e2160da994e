"""Mean and covariance of a training set's colours, computed once and kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vgglab.data.cache import made_once

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Of the values 0 to 255 of each channel, over the pixels of the training images."""

    mean_c: tuple[float, ...]
    covariance_cc: tuple[tuple[float, ...], ...]

    @property
    def deviation_c(self) -> tuple[float, ...]:
        """Standard deviation of each channel."""
        return tuple(float(value) for value in np.sqrt(np.diag(self.covariance_cc)))

    @classmethod
    def of(cls, images: Iterable[Tensor]) -> Moments:
        """Moments of images (C, H, W), uint8; each image counts alike, whatever its size."""
        count = 0
        first_c: Matrix | float = 0.0
        second_cc: Matrix | float = 0.0
        for image_chw in images:
            pixels_cp = image_chw.numpy().reshape(image_chw.shape[0], -1).astype(np.float64)
            first_c = first_c + pixels_cp.mean(axis=1)
            second_cc = second_cc + pixels_cp @ pixels_cp.T / pixels_cp.shape[1]
            count += 1
        assert count, "moments of no image"
        mean_c = np.asarray(first_c) / count
        covariance_cc = np.asarray(second_cc) / count - np.outer(mean_c, mean_c)
        return cls(tuple(mean_c.tolist()), tuple(map(tuple, covariance_cc.tolist())))


def load_or_compute(path: Path, compute: Callable[[], Moments]) -> Moments:
    """The moments stored in ``path``, computed and stored first where they are not."""
    with made_once(path) as temporary:
        if temporary is not None:
            temporary.write_text(json.dumps(asdict(compute())), encoding="utf-8")
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Moments(tuple(stored["mean_c"]), tuple(map(tuple, stored["covariance_cc"])))
