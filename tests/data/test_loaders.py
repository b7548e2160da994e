"""Order, augmentation and normalisation of batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from vgglab.data.augment import Augmentation, Normalisation
from vgglab.data.keyed_random import FLIP, SHIFT_X, SHIFT_Y, keyed_bits, keyed_integers
from vgglab.data.loaders import Batch, BatchLoader
from vgglab.data.order import Share, Steps
from vgglab.data.splits import ImageSet


def image_set(size: int, channels: int = 1, side: int = 8) -> ImageSet:
    generator = np.random.default_rng(1)
    images_nchw = generator.integers(1, 256, (size, channels, side, side), dtype=np.uint8)
    labels_n = np.arange(size, dtype=np.int64) % 10
    return ImageSet(images_nchw, labels_n, np.arange(size))


def loader_of(images: ImageSet, batch_size: int, **order: Any) -> BatchLoader:
    return BatchLoader(images, Steps(len(images), batch_size, **order))


def samples(loader: BatchLoader) -> list[int]:
    return [int(sample) for batch in loader for sample in batch.samples_n]


@pytest.mark.parametrize("size", [1, 31, 32, 33])
def test_every_image_once_and_the_last_batch_uneven(size: int) -> None:
    images = image_set(size)
    for seed in (None, 5):
        loader = loader_of(images, 8, shuffle_seed=seed)
        batches = list(loader)
        assert len(batches) == len(loader) == -(-size // 8)
        assert sorted(samples(loader)) == list(range(size))
        for batch in batches:
            assert (batch.images_nchw.numpy() == images.images_nchw[batch.samples_n]).all()
            assert (batch.labels_n.numpy() == images.labels_n[batch.samples_n]).all()


def test_an_epoch_goes_on_where_it_was_left() -> None:
    images = image_set(50)
    whole = loader_of(images, 8, shuffle_seed=1, position=lambda: (3, 0))
    rest = loader_of(images, 8, shuffle_seed=1, position=lambda: (3, 4))
    assert samples(rest) == samples(whole)[4 * 8 :]


@pytest.mark.parametrize("size", [1, 7, 32, 33, 50])
@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (3, 2), (1, 4)])
def test_shares_cover_each_step_once_in_its_order(size: int, world: int, accumulate: int) -> None:
    images = image_set(size)
    alone = loader_of(images, 8, shuffle_seed=3)
    shares = [
        list(
            loader_of(
                images,
                8,
                shuffle_seed=3,
                share=Share(rank=rank, world=world, accumulate=accumulate),
            )
        )
        for rank in range(world)
    ]
    assert {len(share) for share in shares} == {len(alone) * accumulate}
    for step, whole in enumerate(alone):
        parts = [
            share[step * accumulate + micro] for micro in range(accumulate) for share in shares
        ]
        assert np.array_equal(np.concatenate([p.samples_n for p in parts]), whole.samples_n)
        assert {part.step_images for part in parts} == {len(whole.samples_n)}
        sizes = [len(part.samples_n) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("size", [1, 31, 33])
def test_processes_evaluate_each_image_once(size: int) -> None:
    images = image_set(size)
    loaders = [loader_of(images, 8, share=Share(rank=rank, world=2)) for rank in range(2)]
    assert sorted(samples(loaders[0]) + samples(loaders[1])) == list(range(size))
    for loader in loaders:
        assert len(list(loader)) == len(loader)


def test_epochs_differ() -> None:
    first, second = (
        loader_of(image_set(50), 8, shuffle_seed=1, position=lambda e=epoch: (e, 0))
        for epoch in (0, 1)
    )
    assert samples(first) != samples(second)


def slow_augmentation(batch: Batch, seed: int, shift: int, flip: bool) -> torch.Tensor:
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
    (batch,) = loader_of(image_set(40, channels), 40, shuffle_seed=2, position=lambda: (1, 0))
    fast_nchw = Augmentation(9, shift, flip)(batch)
    assert torch.equal(fast_nchw, slow_augmentation(batch, 9, shift, flip))
    if shift or flip:
        assert not torch.equal(fast_nchw, batch.images_nchw)


def test_a_sample_is_augmented_alike_in_any_batch() -> None:
    augment = Augmentation(0, 2, True)
    images = image_set(32)

    def by_sample(batch_size: int) -> dict[int, torch.Tensor]:
        loader = loader_of(images, batch_size, shuffle_seed=4)
        return {
            int(sample): image
            for batch in loader
            for sample, image in zip(batch.samples_n, augment(batch), strict=True)
        }

    small, large = by_sample(5), by_sample(32)
    assert all(torch.equal(small[sample], large[sample]) for sample in range(32))


def test_normalisation_is_that_of_the_training_split() -> None:
    images_nchw = image_set(200, channels=3).images_nchw
    normal_nchw = Normalisation.of(images_nchw)(torch.from_numpy(images_nchw))
    expected = (images_nchw - images_nchw.mean((0, 2, 3), keepdims=True)) / images_nchw.std(
        (0, 2, 3), keepdims=True
    )
    assert np.allclose(normal_nchw.numpy(), expected, atol=1e-5)
