"""A net's posteriors for the images of a split, under several procedures, each image once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vgglab.config import Procedure
from vgglab.config.protocol import Kind
from vgglab.data.files import FileSet, whole_images
from vgglab.data.splits import WholeImages
from vgglab.evaluation.poison import poison
from vgglab.evaluation.predictions import KEPT, PredictionCollector
from vgglab.evaluation.views import Views, views_of
from vgglab.models.fully_convolutional import FullyConvolutional, total_stride
from vgglab.models.kernels.packed import Packed
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
    workers: int = 0
    """Processes that decode image files."""
    pack_weights: bool = False
    """Make the weights ready for the kernels once; see ``packed.py``."""


@dataclass(frozen=True)
class Predicted:
    """Of one procedure."""

    table: pa.Table
    seconds: float
    """That the net was asked for; reading and rescaling images is left out."""


class Asked:
    """A net that answers with log-posteriors (N, K), float32, of views (N, C, H, W), uint8."""

    def __init__(self, net: VGG, normalise: Callable[[Tensor], Tensor], place: Place) -> None:
        self._net = net.to(place.device).to(memory_format=place.memory_format).eval()
        self._normalise, self._place = normalise, place
        self._made: dict[bool, nn.Module] = {}
        """The net as it is asked, by whether densely."""

    @torch.inference_mode()
    def __call__(self, kind: Kind, views: Sequence[Sequence[Tensor]], mirrored: bool) -> Tensor:
        """Mean posterior over the views of each of N images, and over their mirror images.

        Each image has the same number of views, and the views of one place are of one shape.
        """
        net = self._asked_as(dense=kind == "dense")
        of_views = [
            log_posteriors_nk
            for views_n in zip(*views, strict=True)
            for log_posteriors_nk in self._of_view(net, torch.stack(views_n), mirrored)
        ]
        return mean_posterior(of_views).cpu()

    def _asked_as(self, *, dense: bool) -> nn.Module:
        if dense not in self._made:
            net = FullyConvolutional(self._net) if dense else self._net
            net = net.to(memory_format=self._place.memory_format)
            self._made[dense] = Packed(net) if self._place.pack_weights else net
        return self._made[dense]

    def _of_view(self, net: nn.Module, images_nchw: Tensor, mirrored: bool) -> Iterator[Tensor]:
        place = self._place
        normal_nchw = self._normalise(images_nchw.to(place.device))
        for mirror in (False, True) if mirrored else (False,):
            shown_nchw = normal_nchw.flip(-1) if mirror else normal_nchw
            shown_nchw = shown_nchw.contiguous(memory_format=place.memory_format)
            with torch.autocast(
                place.device.type, torch.bfloat16, enabled=place.precision == "bf16"
            ):
                scores = net(shown_nchw)
            averaged_nk = averaged_scores(scores.float())
            yield nn.functional.log_softmax(averaged_nk, dim=1) + poison(averaged_nk)


def averaged_scores(scores: Tensor) -> Tensor:
    """Class scores (N, K) of a map (N, K, h, w): the mean over its places.

    Of the scores, before soft-max: "the class score map is spatially averaged"; of posteriors the
    paper speaks where it averages over mirror images, scales and kinds (sections 3.2, 4.2, 4.3).
    """
    return scores.mean((2, 3)) if scores.dim() == 4 else scores


def mean_posterior(log_posteriors: Sequence[Tensor]) -> Tensor:
    """Logarithm of the mean of posteriors (N, K), float32, without underflow."""
    return torch.stack(list(log_posteriors)).logsumexp(0) - math.log(len(log_posteriors))


def predict(
    net: VGG,
    images: WholeImages,
    procedures: Sequence[Procedure],
    normalise: Callable[[Tensor], Tensor],
    place: Place,
    *,
    rank: int = 0,
    world: int = 1,
    classes_kept: int = KEPT,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, Predicted]:
    """Predictions of the images ``rank``, ``rank + world`` and so on of a split, by label; of those
    that can be read.

    The procedures have the same test scales: each image is read and rescaled once for all, and what
    two of them ask of the net is asked once. The net is moved to ``place``. ``on_batch`` is called
    after every batch.
    """
    (scales,) = {procedure.scales for procedure in procedures}
    kinds = tuple(dict.fromkeys(kind for procedure in procedures for kind in procedure.kinds))
    crop, mirror = procedures[0].crop, procedures[0].flip
    asked, stride = Asked(net, normalise, place), total_stride(net)
    collectors = {procedure.label: PredictionCollector(classes_kept) for procedure in procedures}
    seconds = dict.fromkeys(kinds, 0.0)
    skipped = frozenset(skipped_of(images).tolist())
    mine = [index for index in range(rank, len(images), world) if index not in skipped]
    read = (
        views_of(index, image_chw, kinds, scales, crop, stride)
        for index, image_chw in zip(mine, _read(images, mine, place.workers), strict=True)
    )
    for batch in batches(read):
        samples_n = np.array([views.index for views in batch], dtype=np.int64)
        labels_n = torch.from_numpy(images.labels_n[samples_n])
        opinions: dict[Kind, Tensor] = {}
        for kind in kinds:
            begun = time.perf_counter()
            mirrored = mirror and kind != "center"
            opinions[kind] = asked(kind, [views.of_kind[kind] for views in batch], mirrored)
            seconds[kind] += time.perf_counter() - begun
        for procedure in procedures:
            whole_nk = mean_posterior([opinions[kind] for kind in procedure.kinds])
            collectors[procedure.label].add(samples_n, labels_n, whole_nk)
        on_batch()
    return {
        procedure.label: Predicted(
            collectors[procedure.label].table(), sum(seconds[kind] for kind in procedure.kinds)
        )
        for procedure in procedures
    }


def skipped_of(images: WholeImages) -> NDArray[np.int64]:
    """Places in a split of the images that are known not to be readable."""
    return images.skipped_m if isinstance(images, FileSet) else np.zeros(0, dtype=np.int64)


def _read(images: WholeImages, indices: Sequence[int], workers: int) -> Iterator[Tensor]:
    if isinstance(images, FileSet):
        return whole_images(images, np.array(indices, dtype=np.int64), workers)
    return (images.image_chw(index) for index in indices)


def batches(images: Iterator[Views]) -> Iterator[list[Views]]:
    """Images whose views have equal shapes, as many as fit; each image in one batch."""
    waiting: dict[tuple[torch.Size, ...], list[Views]] = {}
    for views in images:
        group = waiting.setdefault(views.shapes, [])
        group.append(views)
        if len(group) == max(1, min(BATCH, PIXELS // views.pixels)):
            yield waiting.pop(views.shapes)
    yield from waiting.values()
