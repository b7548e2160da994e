"""A net's posteriors for the images of a split, under several procedures, each image once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vgglab.config import Procedure
from vgglab.config.protocol import Kind
from vgglab.data.device import RESIDENT_BYTES, to_device
from vgglab.data.files import FileSet, whole_images
from vgglab.data.splits import ImageSet, WholeImages
from vgglab.evaluation.batches import batches, room_on
from vgglab.evaluation.poison import poison
from vgglab.evaluation.predictions import KEPT, PredictionCollector
from vgglab.evaluation.stopwatch import Stopwatch
from vgglab.evaluation.views import views_of
from vgglab.models.fully_convolutional import FullyConvolutional, total_stride
from vgglab.models.kernels.packed import Packed
from vgglab.models.kernels.rounded import Rounded
from vgglab.models.vgg import VGG

MEMORY_FORMATS = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}
"""``trainer.memory_format`` -> torch's."""


@dataclass(frozen=True)
class InferenceSettings:
    """Where and in which precision forwards are computed; soft-max is always in float32."""

    device: torch.device
    precision: str = "fp32"
    """``bf16``: autocast, as in training."""
    memory_format: torch.memory_format = torch.contiguous_format
    workers: int = 0
    """Processes that decode image files."""
    pack_weights: bool = False
    """Make the weights ready for the kernels once; see ``packed.py``."""
    round_weights: bool = False
    """Round the weights to bf16 once; see ``rounded.py``."""

    @property
    def on_gpu(self) -> bool:
        """Whether forwards are computed on a GPU."""
        return self.device.type == "cuda"


@dataclass(frozen=True)
class Predicted:
    """Predictions under one procedure."""

    table: pa.Table
    seconds: float
    """Time of the forwards, without reading and rescaling images."""


class Predictor:
    """Log-posteriors (N, K), float32, of views (N, C, H, W), uint8."""

    def __init__(
        self, net: VGG, normalise: Callable[[Tensor], Tensor], settings: InferenceSettings
    ) -> None:
        """
        Args:
            net: the net, which is moved to the device.
            normalise: from uint8 images to what the net was trained on.
            settings: where and in which precision forwards are computed.
        """
        net = net.to(settings.device).to(memory_format=settings.memory_format)
        self._net = net.eval()
        self._normalise, self._settings = normalise, settings
        self._prepared: dict[bool, nn.Module] = {}
        """The net in the form that is called, by whether it is dense."""

    @torch.inference_mode()
    def __call__(self, kind: Kind, views: Sequence[Sequence[Tensor]], mirrored: bool) -> Tensor:
        """Mean posterior over the views of each of N images, and over their mirror images.

        Args:
            kind: the kind of all views; dense ones need the net in its convolutional form.
            views: for each image its views (C, H, W), uint8: equally many for each, and the first
                views of all images have one shape, as have the second ones and so on.
            mirrored: whether mirror images are averaged as well.

        Returns:
            Logarithms of the mean posteriors (N, K), float32, on the device.
        """
        net = self._prepare(dense=kind == "dense")
        of_views = [
            log_posteriors_nk
            for views_n in zip(*views, strict=True)
            for log_posteriors_nk in self._posteriors(net, torch.stack(views_n), mirrored)
        ]
        return mean_posterior(of_views)

    def _prepare(self, *, dense: bool) -> nn.Module:
        if dense not in self._prepared:
            net = FullyConvolutional(self._net) if dense else self._net
            net = net.to(memory_format=self._settings.memory_format)
            if self._settings.pack_weights:
                self._prepared[dense] = Packed(net)
            else:
                self._prepared[dense] = Rounded(net) if self._settings.round_weights else net
        return self._prepared[dense]

    def _posteriors(self, net: nn.Module, images_nchw: Tensor, mirrored: bool) -> Iterator[Tensor]:
        settings = self._settings
        normal_nchw = self._normalise(images_nchw.to(settings.device, non_blocking=True))
        for mirror in (False, True) if mirrored else (False,):
            shown_nchw = normal_nchw.flip(-1) if mirror else normal_nchw
            shown_nchw = shown_nchw.contiguous(memory_format=settings.memory_format)
            with torch.autocast(
                settings.device.type, torch.bfloat16, enabled=settings.precision == "bf16"
            ):
                scores = net(shown_nchw)
            averaged_nk = averaged_scores(scores.float())
            yield nn.functional.log_softmax(averaged_nk, dim=1) + poison(averaged_nk)


def averaged_scores(scores: Tensor) -> Tensor:
    """Class scores (N, K) of a map (N, K, h, w): the mean over its positions.

    Scores are averaged before soft-max: "the class score map is spatially averaged". The paper
    averages posteriors over mirror images, scales and kinds (sections 3.2, 4.2, 4.3).
    """
    return scores.mean((2, 3)) if scores.dim() == 4 else scores


def mean_posterior(log_posteriors: Sequence[Tensor]) -> Tensor:
    """Logarithm of the mean of posteriors (N, K), float32, without underflow."""
    return torch.stack(list(log_posteriors)).logsumexp(0) - math.log(len(log_posteriors))


@contextlib.contextmanager
def without_search() -> Iterator[None]:
    """Switch off cuDNN's search: it would try out every shape of image, also those that come once.

    A run's own test and a later one then take the same kernels.
    """
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@without_search()
def predict(
    net: VGG,
    images: WholeImages,
    procedures: Sequence[Procedure],
    normalise: Callable[[Tensor], Tensor],
    settings: InferenceSettings,
    *,
    rank: int = 0,
    world: int = 1,
    classes_kept: int = KEPT,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, Predicted]:
    """Predictions of this process's share of a split: the images ``rank``, ``rank + world``, ...

    Images that cannot be read are left out. Each image is read and rescaled once for all
    procedures, and a forward that two of them need is computed once.

    Args:
        net: a trained net; it is moved to the device.
        images: the split.
        procedures: ways of testing that have the same test scales.
        normalise: from uint8 images to what the net was trained on.
        settings: where and in which precision forwards are computed.
        rank: index of this process.
        world: number of processes.
        classes_kept: classes stored of each image, at least.
        on_batch: called after every batch.

    Returns:
        Predictions by the procedure's label.
    """
    (scales,) = {procedure.scales for procedure in procedures}
    kinds = tuple(dict.fromkeys(kind for procedure in procedures for kind in procedure.kinds))
    crop, mirrors = procedures[0].crop, procedures[0].mirrors
    predictor, stride = Predictor(net, normalise, settings), total_stride(net)
    collectors = {procedure.label: PredictionCollector(classes_kept) for procedure in procedures}
    stopwatch = Stopwatch(settings.device)
    skipped = frozenset(skipped_of(images).tolist())
    mine = [index for index in range(rank, len(images), world) if index not in skipped]
    read = (
        views_of(index, image_chw, kinds, scales, crop, stride)
        for index, image_chw in zip(mine, _read(images, mine, settings), strict=True)
    )
    for batch in batches(read, room_on(settings.device, net)):
        samples_n = np.array([views.index for views in batch], dtype=np.int64)
        labels_n = to_device({"labels": images.labels_n[samples_n]}, settings.device)["labels"]
        posteriors: dict[Kind, Tensor] = {}
        for kind in kinds:
            with stopwatch.measure(kind):
                shown = [views.of_kind[kind] for views in batch]
                posteriors[kind] = predictor(kind, shown, mirrors(kind))
        for procedure in procedures:
            whole_nk = mean_posterior([posteriors[kind] for kind in procedure.kinds])
            collectors[procedure.label].add(samples_n, labels_n, whole_nk)
        on_batch()
    return {
        procedure.label: Predicted(
            collectors[procedure.label].table(),
            sum(stopwatch.seconds(kind) for kind in procedure.kinds),
        )
        for procedure in procedures
    }


def skipped_of(images: WholeImages) -> NDArray[np.int64]:
    """Indices in a split of the images that are known not to be readable."""
    return images.skipped_m if isinstance(images, FileSet) else np.zeros(0, dtype=np.int64)


def _read(
    images: WholeImages, indices: Sequence[int], settings: InferenceSettings
) -> Iterator[Tensor]:
    """Whole images on the device, where their views are made."""
    if isinstance(images, FileSet):
        read = whole_images(
            images,
            np.array(indices, dtype=np.int64),
            settings.workers,
            pin_memory=settings.on_gpu,
        )
        return (image_chw.to(settings.device, non_blocking=True) for image_chw in read)
    is_small = isinstance(images, ImageSet) and images.images_nchw.nbytes <= RESIDENT_BYTES
    if settings.on_gpu and isinstance(images, ImageSet) and is_small:
        whole_nchw = torch.from_numpy(images.images_nchw).to(settings.device)
        return (whole_nchw[index] for index in indices)
    return (
        to_device({"image": images.image_chw(index)}, settings.device)["image"] for index in indices
    )
