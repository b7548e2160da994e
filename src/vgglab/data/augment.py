"""Augmentation and normalisation of a whole batch at a time, on whatever device it is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vgglab.data.batches import Batch
from vgglab.data.keyed_random import FLIP, SHIFT_X, SHIFT_Y, keyed_flags, keyed_integers


@dataclass(frozen=True)
class Augmentation:
    """Random translation over a black border, then horizontal flip; keyed by epoch and sample."""

    seed: int
    shift: int
    """px, in each direction."""
    flip: bool

    def __call__(self, batch: Batch) -> Tensor:
        """The batch's images (N, C, H, W), uint8, each moved and flipped by its own draw."""
        if self.shift == 0 and not self.flip:
            return batch.images_nchw
        size, device = batch.images_nchw.shape[-1], batch.images_nchw.device
        rows, columns = (
            self._offsets(batch, stream)[:, None] + np.arange(size) for stream in (SHIFT_Y, SHIFT_X)
        )
        if self.flip:
            flipped = keyed_flags(self.seed, batch.epoch, batch.samples_n, FLIP)
            columns = np.where(flipped[:, None], columns[:, ::-1], columns)
        padded_nchw = torch.nn.functional.pad(batch.images_nchw, (self.shift,) * 4)
        images_n = torch.arange(len(rows), device=device)[:, None, None]
        rows_nh = torch.from_numpy(rows).to(device)
        columns_nw = torch.from_numpy(np.ascontiguousarray(columns)).to(device)
        # Indices on both sides of the channel slice put it last: the gather is channels_last.
        moved_nhwc = padded_nchw[images_n, :, rows_nh[:, :, None], columns_nw[:, None, :]]
        return moved_nhwc.permute(0, 3, 1, 2)

    def _offsets(self, batch: Batch, stream: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return keyed_integers(
            self.seed, batch.epoch, batch.samples_n, stream, bound=2 * self.shift + 1
        )


@dataclass(frozen=True)
class Normalisation:
    """Subtracts the training split's mean and divides by a number, channel by channel."""

    mean_c: tuple[float, ...]
    """In units of a pixel value, 0 to 255."""
    deviation_c: tuple[float, ...]

    @classmethod
    def of(cls, images_nchw: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Normalisation:
        """Exact moments from the 256-bin histogram of each channel."""
        values = np.arange(256)
        means, deviations = [], []
        for channel in range(images_nchw.shape[1]):
            counts = np.bincount(images_nchw[:, channel].ravel(), minlength=256)
            mean = float(counts @ values / counts.sum())
            means.append(mean)
            deviations.append(float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum())))
        return cls(tuple(means), tuple(deviations))

    def of_kind(self, kind: Literal["deviation", "mean"]) -> Normalisation:
        """This one, or that which subtracts the mean and leaves the rest as it is."""
        return (
            self if kind == "deviation" else Normalisation(self.mean_c, (1.0,) * len(self.mean_c))
        )

    def __call__(self, images_nchw: Tensor, shifts_nc: Tensor | None = None) -> Tensor:
        """float32 (N, C, H, W) about zero, of pixels to which each image's shift is added first."""
        shape = (1, -1, 1, 1)
        mean = torch.tensor(self.mean_c, device=images_nchw.device).view(shape)
        deviation = torch.tensor(self.deviation_c, device=images_nchw.device).view(shape)
        if shifts_nc is not None:
            mean = mean - shifts_nc[:, :, None, None]
        return (images_nchw.float() - mean) / deviation
