"""Augmentation: by batch as image by image, and keyed by epoch and sample alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.data.augment import RandomCrops, ShiftAndFlip
from vgglab.data.device import CPU, to_device
from vgglab.data.keyed_random import FLIP, SHIFT_X, SHIFT_Y, keyed_bits, keyed_integers
from vgglab.data.loaders import Batch
from vgglab.data.resize import Pixels, center_crop, rescaled, rescaled_size

SAMPLES = np.arange(40, dtype=np.int64)


def batch_of(images_nchw: Tensor, samples_n: NDArray[np.int64], epoch: int = 1) -> Batch:
    chosen = torch.from_numpy(samples_n)
    return Batch(images_nchw[chosen], chosen, samples_n, epoch, len(samples_n))


def augmented(augment: ShiftAndFlip | RandomCrops, batch: Batch) -> Tensor:
    """The batch with its draws, as a training has it."""
    key = batch.epoch, batch.samples_n
    if isinstance(augment, RandomCrops):
        draws = augment.draws(*key, *batch.images_nchw.shape[2:])
    else:
        draws = augment.draws(*key)
    return augment(batch._replace(draws=to_device(draws, CPU)))


def pictures(channels: int, height: int = 24, width: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (40, channels, height, width), generator=generator).byte()


def pixels_of(image_chw: Tensor) -> Pixels:
    pixels_hwc: Pixels = image_chw.permute(1, 2, 0).numpy()
    return pixels_hwc


def cut(crops: RandomCrops, epoch: int, image_chw: Tensor, sample: int) -> Tensor:
    """Rescaled as a whole, then cut, then mirrored."""
    (draw,) = zip(*(v.tolist() for v in crops.draw(epoch, np.array([sample]))), strict=True)
    window = crops.window(draw, image_chw.shape[1], image_chw.shape[2])
    grown_chw = rescaled(image_chw, window.shorter_side)
    rows = slice(window.top, window.top + window.size)
    crop_chw = grown_chw[:, rows, window.left : window.left + window.size]
    return crop_chw.flip(-1) if window.flip else crop_chw


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 33), (50, 31)])
@pytest.mark.parametrize(("smallest", "largest", "flip"), [(20, 20, False), (20, 45, True)])
def test_a_batch_is_rescaled_then_cut(
    channels: int, height: int, width: int, smallest: int, largest: int, flip: bool
) -> None:
    images_nchw = pictures(channels, height, width)
    crops = RandomCrops(seed=3, smallest=smallest, largest=largest, size=20, flip=flip)
    together = augmented(crops, batch_of(images_nchw, SAMPLES))
    alone = [cut(crops, 1, image, n) for n, image in enumerate(images_nchw)]
    assert together.shape == (40, channels, 20, 20)
    assert torch.equal(together, torch.stack(alone))


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 33), (50, 31), (190, 250)])
@pytest.mark.parametrize(("smallest", "largest"), [(20, 20), (20, 45), (20, 60)])
def test_file_by_file_as_by_batch(height: int, width: int, smallest: int, largest: int) -> None:
    """Of noise, which no resizing forgives."""
    images_nchw = pictures(3, height, width)
    crops = RandomCrops(seed=3, smallest=smallest, largest=largest, size=20, flip=True)
    together = augmented(crops, batch_of(images_nchw, SAMPLES))
    for make, image_chw, expected_chw in zip(
        crops.for_each(1, SAMPLES), images_nchw, together, strict=True
    ):
        made_hwc = make(pixels_of(image_chw))
        assert made_hwc.shape == (20, 20, 3)
        assert np.abs(made_hwc.astype(int) - pixels_of(expected_chw)).max() <= 2


def test_a_crop_is_a_window_of_the_rescaled_image() -> None:
    """Against a search through all windows: of S, place and mirror nothing is taken for granted."""
    images_nchw = pictures(3, 20, 30)
    crops = RandomCrops(seed=0, smallest=18, largest=24, size=16, flip=True)
    found = set()
    made = augmented(crops, batch_of(images_nchw, SAMPLES, epoch=0))
    for sample, crop_chw in zip(SAMPLES, made, strict=True):
        windows = {
            (side, top, left, flip): (window.flip(-1) if flip else window)
            for side in range(18, 25)
            for grown_chw in [rescaled(images_nchw[sample], side)]
            for top in range(grown_chw.shape[1] - 15)
            for left in range(grown_chw.shape[2] - 15)
            for flip in (False, True)
            for window in [grown_chw[:, top : top + 16, left : left + 16]]
        }
        (match,) = [key for key, window in windows.items() if torch.equal(window, crop_chw)]
        found.add(match)
    sides, tops, lefts, flips = map(set, zip(*found, strict=True))
    assert sides == set(range(18, 25))
    assert len(tops) > 4
    assert len(lefts) > 10
    assert flips == {False, True}


def test_what_is_drawn_depends_on_epoch_and_sample_alone() -> None:
    images_nchw = pictures(1)
    crops = RandomCrops(seed=0, smallest=20, largest=40, size=20, flip=True)
    whole = augmented(crops, batch_of(images_nchw, SAMPLES))
    backwards = augmented(crops, batch_of(images_nchw, SAMPLES[::-1].copy()))
    assert torch.equal(whole, backwards.flip(0))
    few = np.array([17, 3], dtype=np.int64)
    assert torch.equal(augmented(crops, batch_of(images_nchw, few)), whole[[17, 3]])
    for other in (
        augmented(
            RandomCrops(seed=1, smallest=20, largest=40, size=20, flip=True),
            batch_of(images_nchw, SAMPLES),
        ),
        augmented(crops, batch_of(images_nchw, SAMPLES, epoch=2)),
    ):
        assert (other == whole).flatten(1).all(1).float().mean() < 0.1


def test_each_scale_and_place_is_drawn_as_often() -> None:
    many = np.arange(20_000, dtype=np.int64)
    draws = RandomCrops(seed=0, smallest=256, largest=259, size=224, flip=True).draw(0, many)
    shares = np.bincount(draws.sides_n - 256) / len(many)
    assert np.abs(shares - 0.25).max() < 0.015
    assert abs(draws.flips_n.mean() - 0.5) < 0.015
    places = (draws.down_n * np.uint64(33)) >> np.uint64(32)
    assert np.abs(np.bincount(places.astype(int)) / len(many) - 1 / 33).max() < 0.005
    assert abs(np.corrcoef(draws.down_n, draws.right_n)[0, 1]) < 0.03


@pytest.mark.parametrize(
    ("height", "width", "side"), [(375, 500, 256), (500, 375, 256), (33, 32, 40), (7, 7, 9)]
)
def test_sizes_are_what_rescaling_makes(height: int, width: int, side: int) -> None:
    grown_chw = rescaled(torch.zeros(3, height, width, dtype=torch.uint8), side)
    assert tuple(grown_chw.shape[1:]) == rescaled_size(height, width, side)
    assert min(grown_chw.shape[1:]) == side


def test_an_image_of_that_size_is_left_as_it_is() -> None:
    images_nchw = pictures(3, 20, 31)
    assert rescaled(images_nchw, 20) is images_nchw


@pytest.mark.parametrize(("height", "width"), [(20, 20), (21, 30), (30, 25)])
def test_the_centre_is_torchvisions(height: int, width: int) -> None:
    from torchvision.transforms.v2.functional import center_crop as reference

    images_nchw = pictures(3, height, width)
    assert torch.equal(center_crop(images_nchw, 16), reference(images_nchw, [16, 16]))


def slow_augmentation(batch: Batch, seed: int, shift: int, flip: bool) -> Tensor:
    """The definition, image by image."""
    moved = []
    for image_chw, sample in zip(batch.images_nchw, batch.samples_n, strict=True):
        one = np.array([sample])
        dy, dx = (
            int(keyed_integers(seed, batch.epoch, one, stream, 2 * shift + 1)[0])
            for stream in (SHIFT_Y, SHIFT_X)
        )
        side = image_chw.shape[-1]
        padded_chw = torch.nn.functional.pad(image_chw, (shift,) * 4)
        window_chw = padded_chw[:, dy : dy + side, dx : dx + side]
        if flip and int(keyed_bits(seed, batch.epoch, one, FLIP)[0]) >> 63:
            window_chw = window_chw.flip(-1)
        moved.append(window_chw)
    return torch.stack(moved)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("shift", "flip"), [(0, False), (2, False), (0, True), (3, True)])
def test_augmentation_equals_the_slow_loop(channels: int, shift: int, flip: bool) -> None:
    batch = batch_of(pictures(channels), SAMPLES[::-1].copy())
    fast_nchw = augmented(ShiftAndFlip(9, shift, flip), batch)
    assert torch.equal(fast_nchw, slow_augmentation(batch, 9, shift, flip))
    if shift or flip:
        assert not torch.equal(fast_nchw, batch.images_nchw)


def test_a_sample_is_augmented_alike_in_any_batch() -> None:
    augment = ShiftAndFlip(0, 2, True)
    images_nchw = pictures(1)
    order = np.random.default_rng(4).permutation(len(SAMPLES))

    def by_sample(batch_size: int) -> dict[int, Tensor]:
        return {
            int(sample): image
            for samples_n in np.array_split(order, -(-len(order) // batch_size))
            for sample, image in zip(
                samples_n, augmented(augment, batch_of(images_nchw, samples_n)), strict=True
            )
        }

    small, large = by_sample(5), by_sample(32)
    assert all(torch.equal(small[sample], large[sample]) for sample in SAMPLES.tolist())
