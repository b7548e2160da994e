"""A net's posteriors for the images of a split, under one procedure, each image once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from vgglab.config import Procedure
from vgglab.data.scale import rescaled
from vgglab.data.splits import WholeImages
from vgglab.evaluation.predictions import KEPT, PredictionCollector
from vgglab.evaluation.views import centred, grid, whole
from vgglab.models.convert import FullyConvolutional, total_stride
from vgglab.models.vgg import VGG

BATCH = 250
"""Images of a forward, at most."""
PIXELS = 2**20
"""And of all its images together: 250 of 64 px, 20 of 224, 4 of 512."""


@dataclass(frozen=True)
class Place:
    """Where a net is asked, and in which numbers it computes; soft-max is always in float32."""

    device: torch.device
    precision: str = "fp32"
    """``bf16``: autocast, as in training."""
    memory_format: torch.memory_format = torch.contiguous_format


@dataclass(frozen=True)
class Views:
    """What the net is shown of one image, uint8. At every scale, in the order of the scales."""

    index: int
    whole: tuple[Tensor, ...] = ()
    """For the net as convolutions (C, H, W)."""
    crops: tuple[Tensor, ...] = ()
    """For the net as it was trained (C, crop, crop)."""

    @property
    def shapes(self) -> tuple[torch.Size, ...]:
        """Images of equal ones go through the net together."""
        return tuple(view.shape for view in (*self.whole, *self.crops[:1]))

    @property
    def together(self) -> int:
        """How many such images."""
        largest = max(shape[-2] * shape[-1] for shape in self.shapes)
        return max(1, min(BATCH, PIXELS // largest))


def views_of(index: int, image_chw: Tensor, procedure: Procedure, stride: int) -> Views:
    """The views of one image under a procedure, mirror images left out."""
    scaled = [rescaled(image_chw, side) for side in procedure.scales]
    crop = procedure.crop
    if procedure.name == "center":
        return Views(index, crops=tuple(centred(image, crop, crop) for image in scaled))
    wholes = tuple(whole(image, crop, stride) for image in scaled)
    crops = tuple(itertools.chain.from_iterable(grid(image, crop) for image in scaled))
    if procedure.name == "multi_crop":
        return Views(index, crops=crops)
    return Views(index, whole=wholes, crops=crops if procedure.name == "both" else ())


class Asked:
    """A net that answers with log-posteriors (N, K), float32, of views (N, C, H, W), uint8."""

    def __init__(
        self,
        net: VGG,
        procedure: Procedure,
        normalise: Callable[[Tensor], Tensor],
        place: Place,
    ) -> None:
        self._net = net.to(place.device).to(memory_format=place.memory_format).eval()
        self._dense = FullyConvolutional(self._net).to(memory_format=place.memory_format)
        self._procedure, self._normalise, self._place = procedure, normalise, place

    @torch.inference_mode()
    def __call__(self, batch: Sequence[Views]) -> Tensor:
        """Mean posterior over the views of each kind, then over the kinds (section 4.3)."""
        kinds = [
            (self._dense, [view.whole for view in batch]),
            (self._net, [view.crops for view in batch]),
        ]
        opinions = []
        for net, views_nv in kinds:
            of_views = [
                log_posteriors_nk
                for views_n in zip(*views_nv, strict=True)
                for log_posteriors_nk in self._of_view(net, torch.stack(views_n))
            ]
            if of_views:
                opinions.append(mean_posterior(of_views))
        return mean_posterior(opinions)

    def _of_view(self, net: nn.Module, images_nchw: Tensor) -> Iterator[Tensor]:
        """Of the images, then of their mirror images where the data has none of its own."""
        place = self._place
        normal_nchw = self._normalise(images_nchw.to(place.device))
        mirrors = (False, True) if self._procedure.mirrored else (False,)
        for mirror in mirrors:
            shown_nchw = normal_nchw.flip(-1) if mirror else normal_nchw
            shown_nchw = shown_nchw.contiguous(memory_format=place.memory_format)
            with torch.autocast(
                place.device.type, torch.bfloat16, enabled=place.precision == "bf16"
            ):
                scores = net(shown_nchw)
            yield nn.functional.log_softmax(averaged_scores(scores.float()), dim=1)


def averaged_scores(scores: Tensor) -> Tensor:
    """Class scores (N, K) of a map (N, K, h, w): the mean over its places.

    Of the scores, before soft-max: "the class score map is spatially averaged"; of posteriors the
    paper speaks where it averages over the mirror images (section 3.2).
    """
    return scores.mean((2, 3)) if scores.dim() == 4 else scores


def mean_posterior(log_posteriors: Sequence[Tensor]) -> Tensor:
    """Logarithm of the mean of posteriors (N, K), float32, without underflow."""
    return torch.stack(list(log_posteriors)).logsumexp(0) - math.log(len(log_posteriors))


def predict(
    net: VGG,
    images: WholeImages,
    procedure: Procedure,
    normalise: Callable[[Tensor], Tensor],
    place: Place,
    *,
    rank: int = 0,
    world: int = 1,
    classes_kept: int = KEPT,
    on_batch: Callable[[], None] = lambda: None,
) -> pa.Table:
    """Predictions of the images ``rank``, ``rank + world`` and so on of a split.

    The net is moved to ``place``. ``on_batch`` is called after every batch.
    """
    asked = Asked(net, procedure, normalise, place)
    collector = PredictionCollector(classes_kept)
    for batch in batches(images, procedure, total_stride(net), rank, world):
        samples_n = np.array([views.index for views in batch], dtype=np.int64)
        labels_n = torch.from_numpy(images.labels_n[samples_n])
        collector.add(samples_n, labels_n, asked(batch).cpu())
        on_batch()
    return collector.table()


def batches(
    images: WholeImages, procedure: Procedure, stride: int, rank: int, world: int
) -> Iterator[list[Views]]:
    """Images whose views have equal shapes, as many as fit; each image in one batch."""
    waiting: dict[tuple[torch.Size, ...], list[Views]] = {}
    for index in range(rank, len(images), world):
        views = views_of(index, images.image_chw(index), procedure, stride)
        group = waiting.setdefault(views.shapes, [])
        group.append(views)
        if len(group) == views.together:
            yield waiting.pop(views.shapes)
    yield from waiting.values()
