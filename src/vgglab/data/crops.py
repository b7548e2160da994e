"""The training scale: shorter side S, random crop and flip, drawn for each image and epoch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.data.keyed_random import (
    CROP_X,
    CROP_Y,
    FLIP,
    SCALE,
    keyed_bits,
    keyed_flags,
    keyed_integers,
)
from vgglab.data.loaders import Batch
from vgglab.data.resize import Pixels, Window, rescaled, rescaled_size, seen_through


class Draws(NamedTuple):
    """Of each sample, shape (N,)."""

    sides_n: NDArray[np.int64]
    """S, px."""
    down_n: NDArray[np.uint64]
    """32 random bits that place the crop, once the size of the rescaled image is known."""
    right_n: NDArray[np.uint64]
    flips_n: NDArray[np.bool_]


@dataclass(frozen=True)
class RandomCrops:
    """Rescales to S in [``smallest``, ``largest``], crops at random, flips half of the images
    (paper, section 3.1). What an image draws depends on seed, epoch and sample index alone."""

    seed: int
    smallest: int
    """Of S, px; as large as the crop, at least."""
    largest: int
    size: int
    """Side of the crop, px."""
    flip: bool

    def draw(self, epoch: int, samples_n: NDArray[np.int64]) -> Draws:
        """What each sample draws in this epoch."""
        bound = self.largest - self.smallest + 1
        down_n, right_n = (
            keyed_bits(self.seed, epoch, samples_n, stream) >> np.uint64(32)
            for stream in (CROP_Y, CROP_X)
        )
        flips_n = np.zeros(len(samples_n), dtype=bool)
        if self.flip:
            flips_n = keyed_flags(self.seed, epoch, samples_n, FLIP)
        sides_n = self.smallest + keyed_integers(self.seed, epoch, samples_n, SCALE, bound)
        return Draws(sides_n, down_n, right_n, flips_n)

    def each(
        self, epoch: int, samples_n: NDArray[np.int64]
    ) -> Iterator[Callable[[Pixels], Pixels]]:
        """For each sample, what makes its crop (size, size, 3) of its whole image (H, W, 3)."""
        for draw in zip(
            *(values_n.tolist() for values_n in self.draw(epoch, samples_n)), strict=True
        ):
            yield functools.partial(self._cut, draw)

    def _cut(self, draw: tuple[int, int, int, bool], pixels_hwc: Pixels) -> Pixels:
        return seen_through(self.window(draw, pixels_hwc.shape[0], pixels_hwc.shape[1]), pixels_hwc)

    def window(self, draw: tuple[int, int, int, bool], height: int, width: int) -> Window:
        """Where a draw places the crop of an image of this size, px."""
        side, down, right, flip = draw
        top, left = (
            bits * (room - self.size + 1) >> 32
            for bits, room in zip((down, right), rescaled_size(height, width, side), strict=True)
        )
        return Window(side, top, left, self.size, flip)

    def __call__(self, batch: Batch) -> Tensor:
        """The crops (N, C, size, size), uint8, of images of one size (N, C, H, W).

        One rescaling for each S that occurs, on the device. Places and mirrors are those of
        ``each``, pixels within 2 of 255.
        """
        images_nchw, device = batch.images_nchw, batch.images_nchw.device
        draws = self.draw(batch.epoch, batch.samples_n)
        size_n = np.arange(self.size)
        shape = (len(images_nchw), self.size, self.size, images_nchw.shape[1])
        crops_nhwc = torch.empty(shape, dtype=images_nchw.dtype, device=device)
        whole = images_nchw.shape[2], images_nchw.shape[3]
        for side in np.unique(draws.sides_n):
            members = np.flatnonzero(draws.sides_n == side)
            height, width = rescaled_size(*whole, int(side))
            rows_mh = _corners(draws.down_n[members], height - self.size + 1) + size_n
            columns_mw = _corners(draws.right_n[members], width - self.size + 1) + size_n
            flips_m1 = draws.flips_n[members][:, None]
            columns_mw = np.where(flips_m1, columns_mw[:, ::-1], columns_mw)
            chosen = torch.from_numpy(members).to(device)
            grown_mchw = rescaled(images_nchw[chosen], int(side))
            crops_nhwc[chosen] = grown_mchw[
                torch.arange(len(members), device=device)[:, None, None],
                :,
                torch.from_numpy(rows_mh).to(device)[:, :, None],
                torch.from_numpy(columns_mw).to(device)[:, None, :],
            ]
        return crops_nhwc.permute(0, 3, 1, 2)


def _corners(bits_m: NDArray[np.uint64], places: int) -> NDArray[np.int64]:
    """Shape (M, 1): 32 random bits as one of so many places."""
    return ((bits_m * np.uint64(places)) >> np.uint64(32)).astype(np.int64)[:, None]
