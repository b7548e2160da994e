"""Krizhevsky's random shift of an image's colour along the training set's principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgglab.config import Config
from vgglab.data.files import FileSet
from vgglab.data.keyed_random import COLOR, keyed_normals
from vgglab.data.normalise import ColorStatistics, color_statistics
from vgglab.data.splits import ImageSet, Splits

WHITE = 255.0


@dataclass(frozen=True)
class ColorShift:
    """``[p1 p2 p3] [a1 l1, a2 l2, a3 l3]`` is added to every pixel of an image (Krizhevsky et al.
    2012, section 4.1): p and l are the eigenvectors and eigenvalues of the covariance of RGB, each
    a is drawn anew from N(0, ``deviation``) for each image and epoch.

    The formula multiplies by eigenvalues, which are squares, so that its size depends on the unit
    of a pixel; as is usual, it is taken for values of 0 to 1.
    """

    seed: int
    deviation: float
    axes_cc: tuple[tuple[float, ...], ...]
    """Column k is the k-th eigenvector times its eigenvalue; what it is added to is 0 to 255."""

    @classmethod
    def of(cls, statistics: ColorStatistics, *, seed: int, deviation: float) -> ColorShift:
        """The shift along the principal components of a covariance.

        Args:
            statistics: Of the training images.
            seed: The run's.
            deviation: Standard deviation of each a.
        """
        values_k, vectors_ck = np.linalg.eigh(np.asarray(statistics.covariance_cc) / WHITE**2)
        # An eigenvector's sign depends on the library: its largest component is made positive.
        largest_k = np.abs(vectors_ck).argmax(axis=0)
        signs_k = np.sign(vectors_ck[largest_k, np.arange(len(largest_k))])
        axes_cc = WHITE * vectors_ck * signs_k * values_k
        return cls(seed, deviation, tuple(map(tuple, axes_cc.tolist())))

    def __call__(self, epoch: int, samples_n: NDArray[np.int64]) -> NDArray[np.float32]:
        """Shift of each channel of each sample, shape (N, C), in units of a pixel value."""
        axes_cc = np.asarray(self.axes_cc)
        draws_nc = np.stack(
            [
                keyed_normals(self.seed, epoch, samples_n, COLOR + channel)
                for channel in range(len(axes_cc))
            ],
            axis=1,
        )
        # Not a matrix product: its sums may depend on how many samples there are.
        shifts_nc: NDArray[np.float64] = (draws_nc[:, None, :] * axes_cc).sum(axis=2)
        return (self.deviation * shifts_nc).astype(np.float32)


def color_shift(config: Config, splits: Splits[ImageSet] | Splits[FileSet]) -> ColorShift | None:
    """The recipe's random shift of colours, if any.

    Raises:
        DataError: a training file is not readable.
    """
    if not config.recipe.color_shift:
        return None
    statistics = color_statistics(config, splits.train)
    return ColorShift.of(statistics, seed=config.seed, deviation=config.recipe.color_shift)
