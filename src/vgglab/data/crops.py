"""The training scale: shorter side S, random crop and flip, drawn for each image and epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.data.batches import Batch
from vgglab.data.keyed_random import CROP_X, CROP_Y, FLIP, SCALE, keyed_flags, keyed_integers
from vgglab.data.scale import rescaled, rescaled_size

Draws = NDArray[np.int64]


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

    def sides(self, epoch: int, samples_n: Draws) -> Draws:
        """S of each sample, px."""
        bound = self.largest - self.smallest + 1
        return self.smallest + keyed_integers(self.seed, epoch, samples_n, SCALE, bound)

    def corners(self, epoch: int, samples_n: Draws, height: int, width: int) -> tuple[Draws, Draws]:
        """Top and left of the crop of each sample, of rescaled images of height x width px."""
        tops_n, lefts_n = (
            keyed_integers(self.seed, epoch, samples_n, stream, side - self.size + 1)
            for stream, side in ((CROP_Y, height), (CROP_X, width))
        )
        return tops_n, lefts_n

    def flips(self, epoch: int, samples_n: Draws) -> NDArray[np.bool_]:
        """Whether each sample is mirrored."""
        if not self.flip:
            return np.zeros(len(samples_n), dtype=bool)
        return keyed_flags(self.seed, epoch, samples_n, FLIP)

    def one(self, image_chw: Tensor, epoch: int, sample: int) -> Tensor:
        """The crop (C, size, size), uint8, of a whole image (C, H, W)."""
        samples_n = np.array([sample], dtype=np.int64)
        grown_chw = rescaled(image_chw, int(self.sides(epoch, samples_n)[0]))
        height, width = grown_chw.shape[-2:]
        (top,), (left,) = self.corners(epoch, samples_n, height, width)
        crop_chw = grown_chw[:, top : top + self.size, left : left + self.size]
        return crop_chw.flip(-1) if self.flips(epoch, samples_n)[0] else crop_chw

    def __call__(self, batch: Batch) -> Tensor:
        """The crops (N, C, size, size), uint8, of images of one size (N, C, H, W).

        One rescaling for each S that occurs: the same bits as ``one``, on the CPU.
        """
        images_nchw, device = batch.images_nchw, batch.images_nchw.device
        sides_n = self.sides(batch.epoch, batch.samples_n)
        flips_n = self.flips(batch.epoch, batch.samples_n)
        shape = (len(images_nchw), self.size, self.size, images_nchw.shape[1])
        crops_nhwc = torch.empty(shape, dtype=images_nchw.dtype, device=device)
        whole = images_nchw.shape[2], images_nchw.shape[3]
        for side in np.unique(sides_n):
            members = np.flatnonzero(sides_n == side)
            chosen = torch.from_numpy(members).to(device)
            height, width = rescaled_size(*whole, int(side))
            tops_m, lefts_m = self.corners(batch.epoch, batch.samples_n[members], height, width)
            rows_mh = tops_m[:, None] + np.arange(self.size)
            columns_mw = lefts_m[:, None] + np.arange(self.size)
            columns_mw = np.where(flips_n[members][:, None], columns_mw[:, ::-1], columns_mw)
            grown_mchw = rescaled(images_nchw[chosen], int(side))
            crops_nhwc[chosen] = grown_mchw[
                torch.arange(len(members), device=device)[:, None, None],
                :,
                torch.from_numpy(rows_mh).to(device)[:, :, None],
                torch.from_numpy(columns_mw).to(device)[:, None, :],
            ]
        return crops_nhwc.permute(0, 3, 1, 2)
