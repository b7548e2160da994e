"""Augmentation and normalisation of a whole batch at a time, on whatever device it is on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vgglab.data.keyed_random import FLIP, SHIFT_X, SHIFT_Y, keyed_flags, keyed_integers
from vgglab.data.loaders import Batch


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
        images_n = torch.arange(len(batch.samples_n), device=device)
        rows_n, columns_n = (
            torch.from_numpy(self._offsets(batch, stream)).to(device)
            for stream in (SHIFT_Y, SHIFT_X)
        )
        padded_nchw = torch.nn.functional.pad(batch.images_nchw, (self.shift,) * 4)
        # Every place of the window is a view, (N, y, x, H, W, C): whole rows are copied.
        windows = padded_nchw.unfold(2, size, 1).unfold(3, size, 1).permute(0, 2, 3, 4, 5, 1)
        moved_nhwc = windows[images_n, rows_n, columns_n]
        if self.flip:
            flipped = keyed_flags(self.seed, batch.epoch, batch.samples_n, FLIP)
            mirrored_m = torch.from_numpy(np.flatnonzero(flipped)).to(device)
            # As channels_last images, whose columns torch has a fast way to flip.
            some_mchw = moved_nhwc.index_select(0, mirrored_m).permute(0, 3, 1, 2).flip(-1)
            moved_nhwc.index_copy_(0, mirrored_m, some_mchw.permute(0, 2, 3, 1))
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
        device, (_, channels, _, width) = images_nchw.device, images_nchw.shape
        mean_nc = torch.tensor(self.mean_c, device=device)[None]
        deviation_1c = torch.tensor(self.deviation_c, device=device)[None]
        if shifts_nc is not None:
            mean_nc = mean_nc - shifts_nc
        values_nchw = images_nchw.to(torch.float32, copy=True)
        if channels > 1 and values_nchw.is_contiguous(memory_format=torch.channels_last):
            # Row by row: channel by channel the innermost loop would have three values.
            rows_nhr = values_nchw.permute(0, 2, 3, 1).flatten(2)
            rows_nhr.sub_(mean_nc.repeat(1, width)[:, None])
            rows_nhr.div_(deviation_1c.repeat(1, width)[:, None])
        else:
            values_nchw.sub_(mean_nc[:, :, None, None]).div_(deviation_1c[:, :, None, None])
        return values_nchw
