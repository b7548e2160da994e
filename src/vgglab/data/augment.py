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

    def draws(self, epoch: int, samples_n: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """The draws of a batch's samples that a call finds in it, on the device."""
        if self.shift == 0 and not self.flip:
            return {}
        bound = 2 * self.shift + 1
        drawn = {
            name: keyed_integers(self.seed, epoch, samples_n, stream, bound)
            for name, stream in (("rows", SHIFT_Y), ("columns", SHIFT_X))
        }
        if self.flip:
            flipped = keyed_flags(self.seed, epoch, samples_n, FLIP)
            drawn["mirrored"] = np.flatnonzero(flipped)
        return drawn

    def __call__(self, batch: Batch) -> Tensor:
        """The batch's images (N, C, H, W), uint8, each shifted and flipped by its own draw."""
        if self.shift == 0 and not self.flip:
            return batch.images_nchw
        size, device = batch.images_nchw.shape[-1], batch.images_nchw.device
        images_n = torch.arange(len(batch.samples_n), device=device)
        rows_n, columns_n = batch.draws["rows"], batch.draws["columns"]
        padded_nchw = torch.nn.functional.pad(batch.images_nchw, (self.shift,) * 4)
        # A view of the window at each place, (N, y, x, H, W, C), from which whole rows are copied.
        windows = padded_nchw.unfold(2, size, 1).unfold(3, size, 1).permute(0, 2, 3, 4, 5, 1)
        moved_nhwc = windows[images_n, rows_n, columns_n]
        if self.flip:
            mirrored_m = batch.draws["mirrored"]
            # As channels_last images, whose columns torch flips faster.
            some_mchw = moved_nhwc.index_select(0, mirrored_m).permute(0, 3, 1, 2).flip(-1)
            moved_nhwc.index_copy_(0, mirrored_m, some_mchw.permute(0, 2, 3, 1))
        return moved_nhwc.permute(0, 3, 1, 2)


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

    def draws(
        self, epoch: int, samples_n: NDArray[np.int64], height: int, width: int
    ) -> dict[str, NDArray[np.int64]]:
        """The places of a batch's crops that a call finds in it, on the device.

        Args:
            epoch: From 0.
            samples_n: Index of each sample in its split.
            height: Of the whole images, px.
            width: Of the whole images, px.

        Returns:
            For each sample, ordered by S: its place in the batch, the crop's first row and column
            in the rescaled image, and 1 where it is mirrored, else 0.
        """
        drawn = self.draw(epoch, samples_n)
        members_n = np.argsort(drawn.sides_n, kind="stable")
        grown = [rescaled_size(height, width, side) for side in drawn.sides_n[members_n].tolist()]
        room_n2 = np.array(grown, dtype=np.uint64).reshape(-1, 2) - np.uint64(self.size - 1)
        return {
            "members": members_n,
            "tops": _corners(drawn.down_n[members_n], room_n2[:, 0]),
            "lefts": _corners(drawn.right_n[members_n], room_n2[:, 1]),
            "flips": drawn.flips_n[members_n].astype(np.int64),
        }

    def __call__(self, batch: Batch) -> Tensor:
        """The crops (N, C, size, size), uint8, of images of one size (N, C, H, W).

        One rescaling for each S that occurs, on the device. Places and flips are those of
        ``for_each``, pixels within 2 of 255.
        """
        images_nchw, device = batch.images_nchw, batch.images_nchw.device
        places_s = torch.arange(self.size, device=device)
        rows_ns = batch.draws["tops"][:, None] + places_s
        # Mirrored: the same columns, from the last to the first.
        mirrored_n1 = batch.draws["flips"][:, None]
        columns_ns = (self.size - 1) * mirrored_n1 + (1 - 2 * mirrored_n1) * places_s
        columns_ns += batch.draws["lefts"][:, None]
        shape = (len(images_nchw), self.size, self.size, images_nchw.shape[1])
        crops_nhwc = torch.empty(shape, dtype=images_nchw.dtype, device=device)
        # Drawn again: their numbers are wanted on the host, which must not ask the device for them.
        sides, counts = np.unique(
            self.draw(batch.epoch, batch.samples_n).sides_n, return_counts=True
        )
        for side, last, count in zip(sides, np.cumsum(counts), counts, strict=True):
            same_side = slice(last - count, last)
            chosen_m = batch.draws["members"][same_side]
            grown_mchw = rescaled(images_nchw[chosen_m], int(side))
            crops_nhwc[chosen_m] = grown_mchw[
                torch.arange(count, device=device)[:, None, None],
                :,
                rows_ns[same_side][:, :, None],
                columns_ns[same_side][:, None, :],
            ]
        return crops_nhwc.permute(0, 3, 1, 2)


def _corners(bits_n: NDArray[np.uint64], places_n: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Map each of 32 random bits to one of so many places, shape (N,)."""
    return ((bits_n * places_n) >> np.uint64(32)).astype(np.int64)
