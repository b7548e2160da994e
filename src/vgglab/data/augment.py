"""Training augmentation: random shift and flip of a batch, or random crops at a random scale.

Each image's draw is keyed by seed, epoch and sample index.
"""

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
    SHIFT_X,
    SHIFT_Y,
    keyed_bits,
    keyed_flags,
    keyed_integers,
)
from vgglab.data.loaders import Batch
from vgglab.data.resize import Pixels, Window, rescaled, rescaled_size, resized_crop


@dataclass(frozen=True)
class ShiftAndFlip:
    """Random translation over a black border, then horizontal flip; keyed by epoch and sample."""

    seed: int
    shift: int
    """Largest translation in each direction, px."""
    flip: bool

    def __call__(self, batch: Batch) -> Tensor:
        """The batch's images (N, C, H, W), uint8, each shifted and flipped by its own draw."""
        if self.shift == 0 and not self.flip:
            return batch.images_nchw
        size, device = batch.images_nchw.shape[-1], batch.images_nchw.device
        images_n = torch.arange(len(batch.samples_n), device=device)
        rows_n, columns_n = (
            torch.from_numpy(self._offsets(batch, stream)).to(device)
            for stream in (SHIFT_Y, SHIFT_X)
        )
        padded_nchw = torch.nn.functional.pad(batch.images_nchw, (self.shift,) * 4)
        # A view of the window at each place, (N, y, x, H, W, C), from which whole rows are copied.
        windows = padded_nchw.unfold(2, size, 1).unfold(3, size, 1).permute(0, 2, 3, 4, 5, 1)
        moved_nhwc = windows[images_n, rows_n, columns_n]
        if self.flip:
            flipped = keyed_flags(self.seed, batch.epoch, batch.samples_n, FLIP)
            mirrored_m = torch.from_numpy(np.flatnonzero(flipped)).to(device)
            # As channels_last images, whose columns torch flips faster.
            some_mchw = moved_nhwc.index_select(0, mirrored_m).permute(0, 3, 1, 2).flip(-1)
            moved_nhwc.index_copy_(0, mirrored_m, some_mchw.permute(0, 2, 3, 1))
        return moved_nhwc.permute(0, 3, 1, 2)

    def _offsets(self, batch: Batch, stream: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return keyed_integers(
            self.seed, batch.epoch, batch.samples_n, stream, bound=2 * self.shift + 1
        )


class CropDraws(NamedTuple):
    """Random draws of each sample, shape (N,)."""

    sides_n: NDArray[np.int64]
    """S, px."""
    down_n: NDArray[np.uint64]
    """32 random bits that place the crop, once the size of the rescaled image is known."""
    right_n: NDArray[np.uint64]
    flips_n: NDArray[np.bool_]


@dataclass(frozen=True)
class RandomCrops:
    """Rescales to S in [``smallest``, ``largest``], crops at random, flips half of the images
    (paper, section 3.1). An image's draw depends on seed, epoch and sample index alone."""

    seed: int
    smallest: int
    """Smallest S, px; at least the side of the crop."""
    largest: int
    size: int
    """Side of the crop, px."""
    flip: bool

    def draw(self, epoch: int, samples_n: NDArray[np.int64]) -> CropDraws:
        """Draws of each sample in this epoch."""
        bound = self.largest - self.smallest + 1
        down_n, right_n = (
            keyed_bits(self.seed, epoch, samples_n, stream) >> np.uint64(32)
            for stream in (CROP_Y, CROP_X)
        )
        flips_n = np.zeros(len(samples_n), dtype=bool)
        if self.flip:
            flips_n = keyed_flags(self.seed, epoch, samples_n, FLIP)
        sides_n = self.smallest + keyed_integers(self.seed, epoch, samples_n, SCALE, bound)
        return CropDraws(sides_n, down_n, right_n, flips_n)

    def for_each(
        self, epoch: int, samples_n: NDArray[np.int64]
    ) -> Iterator[Callable[[Pixels], Pixels]]:
        """Per sample, a function from the whole image (H, W, 3) to the crop (size, size, 3)."""
        for draw in zip(
            *(values_n.tolist() for values_n in self.draw(epoch, samples_n)), strict=True
        ):
            yield functools.partial(self._cut, draw)

    def _cut(self, draw: tuple[int, int, int, bool], pixels_hwc: Pixels) -> Pixels:
        return resized_crop(self.window(draw, pixels_hwc.shape[0], pixels_hwc.shape[1]), pixels_hwc)

    def window(self, draw: tuple[int, int, int, bool], height: int, width: int) -> Window:
        """Place of the crop that a draw gives an image.

        Args:
            draw: Shorter side S in px, 32 bits for each coordinate, and whether to flip.
            height: Of the whole image, px.
            width: Of the whole image, px.
        """
        side, down, right, flip = draw
        top, left = (
            bits * (room - self.size + 1) >> 32
            for bits, room in zip((down, right), rescaled_size(height, width, side), strict=True)
        )
        return Window(side, top, left, self.size, flip)

    def __call__(self, batch: Batch) -> Tensor:
        """The crops (N, C, size, size), uint8, of images of one size (N, C, H, W).

        One rescaling for each S that occurs, on the device. Places and flips are those of
        ``for_each``, pixels within 2 of 255.
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
    """Map 32 random bits to one of ``places``, shape (M, 1)."""
    return ((bits_m * np.uint64(places)) >> np.uint64(32)).astype(np.int64)[:, None]
