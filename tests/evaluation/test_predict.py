"""Every protocol against a slow loop that asks a net for one view of one image at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms.v2 import functional

from vgglab.config import InitConfig, ModelConfig, NormConfig, Procedure, ProtocolName, RecipeConfig
from vgglab.config.protocol import procedure
from vgglab.data.normalise import Normalisation
from vgglab.evaluation.predict import InferenceSettings, predict
from vgglab.evaluation.predictions import merged, scores_of
from vgglab.models.build import build
from vgglab.models.vgg import VGG

CROP, CLASSES = 32, 6
SCALES = (40, 64, 72)
TOLERANCE = 5e-6
"""Of a posterior: float32 scores of up to ten, summed in another order in another batch."""
SETTINGS = InferenceSettings(torch.device("cpu"))
NORMALISE = Normalisation((100.0, 120.0), (50.0, 60.0))


@dataclass(frozen=True)
class Photographs:
    """Whole images of several sizes."""

    images: Sequence[Tensor]

    @property
    def labels_n(self) -> NDArray[np.int64]:
        return np.arange(len(self.images)) % CLASSES

    @property
    def originals_n(self) -> NDArray[np.int64]:
        return np.arange(len(self.images))

    def __len__(self) -> int:
        return len(self.images)

    def image_chw(self, index: int) -> Tensor:
        return self.images[index]


def photographs(*sizes: tuple[int, int]) -> Photographs:
    generator = torch.Generator().manual_seed(5)
    return Photographs(
        [
            torch.randint(0, 256, (2, *size), dtype=torch.uint8, generator=generator)
            for size in sizes
        ]
    )


@pytest.fixture(scope="module")
def net() -> VGG:
    made = build(
        ModelConfig(name="a", width=0.0625),
        NormConfig(name="batch"),
        InitConfig(),
        classes=CLASSES,
        image_size=CROP,
        in_channels=2,
    )
    with torch.no_grad():  # batch norm as after a training: scores that differ between images
        made.train()
        generator = torch.Generator().manual_seed(9)
        for _ in range(30):
            made.features(torch.randn(16, 2, CROP, CROP, generator=generator))
    return made.eval()


def way_of_testing(
    name: ProtocolName, *, flip: bool, scales: tuple[int, ...] = SCALES
) -> Procedure:
    recipe = RecipeConfig()
    return procedure(name, recipe, image_size=CROP, flip=flip, scales=scales)


def posteriors(table: pa.Table) -> NDArray[np.float64]:
    """(N, K) in the order of the images and the classes."""
    table = table.sort_by("index")
    order = np.stack(table["classes"].to_numpy())
    values = np.exp(np.stack(table["log_probabilities"].to_numpy()).astype(np.float64))
    found = np.zeros(values.shape)
    np.put_along_axis(found, order, values, axis=1)
    return found


@torch.inference_mode()
def softmax_of(net: VGG, view_chw: Tensor) -> Tensor:
    scores_nk: Tensor = net(NORMALISE(view_chw[None]))
    return scores_nk.softmax(1)[0].double()


def slow_crops(net: VGG, image: Tensor, flip: bool) -> NDArray[np.float64]:
    found = []
    for scale in SCALES:
        scaled = functional.resize(image, [scale], antialias=True)
        height, width = scaled.shape[1:]
        for i in range(5):
            for j in range(5):
                top, left = round(i * (height - CROP) / 4), round(j * (width - CROP) / 4)
                crop = scaled[:, top : top + CROP, left : left + CROP]
                found.append(softmax_of(net, crop))
                if flip:
                    found.append(softmax_of(net, crop.flip(2)))
    assert len(found) == (150 if flip else 75)
    return torch.stack(found).mean(0).numpy()


@pytest.mark.parametrize("flip", [False, True])
def test_multi_crop_equals_a_slow_loop(net: VGG, flip: bool) -> None:
    images = photographs((50, 70), (70, 50), (50, 70))
    how = way_of_testing("multi_crop", flip=flip)
    assert how.forwards == (150 if flip else 75)
    fast = posteriors(predict(net, images, [how], NORMALISE, SETTINGS)[how.label].table)
    slow = np.stack([slow_crops(net, image, flip) for image in images.images])
    assert np.abs(slow[0] - slow[1]).max() > 0.01  # the images are told apart
    assert np.abs(fast - slow).max() < TOLERANCE


@pytest.mark.parametrize("flip", [False, True])
def test_ten_crop_equals_a_slow_loop(net: VGG, flip: bool) -> None:
    images = photographs((50, 70), (70, 50))
    how = way_of_testing("ten_crop", flip=flip, scales=(40,))
    (side,) = how.scales
    slow = []
    for image in images.images:
        scaled = functional.resize(image, [side], antialias=True)
        bottom, right = (length - CROP for length in scaled.shape[1:])
        places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
        crops = [scaled[:, y : y + CROP, x : x + CROP] for y, x in places]
        crops += [crop.flip(2) for crop in crops] if flip else []
        assert len(crops) == how.forwards
        slow.append(torch.stack([softmax_of(net, crop) for crop in crops]).mean(0).numpy())
    fast = posteriors(predict(net, images, [how], NORMALISE, SETTINGS)[how.label].table)
    assert np.abs(fast - np.stack(slow)).max() < TOLERANCE


def test_at_the_crops_size_dense_is_center(net: VGG) -> None:
    images = photographs((CROP, CROP), (CROP, CROP))
    rows = [
        predict(net, images, [how], NORMALISE, SETTINGS)[how.label].table
        for how in (way_of_testing(name, flip=False, scales=()) for name in ("center", "dense"))
    ]
    difference = np.abs(posteriors(rows[0]) - posteriors(rows[1])).max()
    print(f"largest difference of a posterior {difference:.1e}")
    assert difference < TOLERANCE


def test_dense_averages_scores_over_places_and_posteriors_over_mirror_images(net: VGG) -> None:
    # With a map of one place for each of the training crops it is told from averaging posteriors.
    images = photographs((CROP, 3 * CROP))
    how = way_of_testing("dense", flip=True, scales=(CROP,))
    found = posteriors(predict(net, images, [how], NORMALISE, SETTINGS)[how.label].table)[0]
    normal = NORMALISE(images.images[0][None])
    with torch.inference_mode():
        both = []
        for shown in (normal, normal.flip(-1)):
            maps = net.features(shown)
            assert maps.shape[2:] == (1, 3)
            scores = torch.stack([net.classifier(maps[..., i].flatten(1))[0] for i in range(3)])
            both.append(scores.mean(0).softmax(0).double())
    assert np.abs(found - torch.stack(both).mean(0).numpy()).max() < TOLERANCE


def test_both_is_the_mean_of_the_two_and_shares_their_forwards(net: VGG) -> None:
    images = photographs((50, 70), (64, 64))
    names: tuple[ProtocolName, ...] = ("multi_scale", "multi_crop", "both")
    alone = [
        predict(net, images, [way_of_testing(n, flip=True)], NORMALISE, SETTINGS) for n in names
    ]
    dense, crops, both = (posteriors(*[p.table for p in found.values()]) for found in alone)
    assert np.abs(both - (dense + crops) / 2).max() < TOLERANCE
    assert np.abs(dense - crops).max() > 1e-3
    forwards = count_forwards(net)
    together = predict(
        net, images, [way_of_testing(n, flip=True) for n in names], NORMALISE, SETTINGS
    )
    assert forwards() == 2 * (150 + 6)  # two images of different sizes: two batches
    assert np.array_equal(posteriors(together[way_of_testing("both", flip=True).label].table), both)


def count_forwards(net: VGG) -> Callable[[], int]:
    """How often the convolutions were asked since."""
    calls: list[int] = []
    handle = net.features.register_forward_hook(lambda *_: calls.append(1))

    def count() -> int:
        handle.remove()
        return len(calls)

    return count


@pytest.mark.parametrize(
    ("name", "plain", "mirrored"), [("center", 1, 1), ("dense", 1, 2), ("multi_scale", 3, 6)]
)
def test_mirror_images_only_where_the_data_has_them(
    net: VGG, name: ProtocolName, plain: int, mirrored: int
) -> None:
    images = photographs((64, 64))
    scales = SCALES if name == "multi_scale" else (64,)
    for flip, expected in ((False, plain), (True, mirrored)):
        forwards = count_forwards(net)
        predict(net, images, [way_of_testing(name, flip=flip, scales=scales)], NORMALISE, SETTINGS)
        assert forwards() == expected


@pytest.mark.parametrize("world", [1, 3, 8])
def test_each_image_once_whatever_the_processes(net: VGG, world: int) -> None:
    images = photographs(*[(40 + i % 3, 60 - i % 2) for i in range(7)])
    how = way_of_testing("dense", flip=False, scales=(64,))
    tables = [
        predict(net, images, [how], NORMALISE, SETTINGS, rank=rank, world=world)[how.label].table
        for rank in range(world)
    ]
    whole = merged(tables)
    assert whole["index"].to_pylist() == list(range(7))
    assert whole["label"].to_pylist() == images.labels_n.tolist()
    alone = predict(net, images, [how], NORMALISE, SETTINGS)[how.label].table
    assert np.abs(posteriors(whole) - posteriors(alone)).max() < TOLERANCE


def test_the_stored_predictions_give_the_metric(net: VGG) -> None:
    images = photographs(*[(40, 40)] * 30)
    how = way_of_testing("multi_scale", flip=False)
    table = predict(net, images, [how], NORMALISE, SETTINGS)[how.label].table
    found = posteriors(table)
    scores = scores_of(table, (1, 5))
    labels = torch.from_numpy(images.labels_n)
    for k, error in ((1, scores["top1_error"]), (5, scores["top5_error"])):
        metric = MulticlassAccuracy(CLASSES, top_k=k, average="micro")
        accuracy = float(metric(torch.from_numpy(found), labels))
        assert error == pytest.approx(100 * (1 - accuracy), abs=1e-3)
    assert 0 < scores["top5_error"] < scores["top1_error"] < 100
    of_labels = found[np.arange(30), images.labels_n]
    assert scores["loss"] == pytest.approx(-np.log(of_labels).mean(), rel=1e-5)
    assert scores["images"] == 30


def test_no_search_for_convolutions_whatever_the_process_did_before(net: VGG) -> None:
    """After a training on a GPU it is on, in ``task=evaluate`` it is not."""
    seen: list[bool] = []
    handle = net.register_forward_hook(lambda *_: seen.append(torch.backends.cudnn.benchmark))
    how = way_of_testing("center", flip=False, scales=())
    try:
        for before in (True, False):
            torch.backends.cudnn.benchmark = before
            predict(net, photographs((CROP, CROP)), [how], NORMALISE, SETTINGS)
            assert torch.backends.cudnn.benchmark is before
    finally:
        torch.backends.cudnn.benchmark = False
        handle.remove()
    assert seen == [False, False]
