"""Order of the batches of images in memory, on any number of processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vgglab.data.loaders import BatchLoader
from vgglab.data.order import BatchOrder, Shard
from vgglab.data.splits import ImageSet


def image_set(size: int, channels: int = 1, side: int = 8) -> ImageSet:
    generator = np.random.default_rng(1)
    images_nchw = generator.integers(1, 256, (size, channels, side, side), dtype=np.uint8)
    labels_n = np.arange(size, dtype=np.int64) % 10
    return ImageSet(images_nchw, labels_n, np.arange(size))


def loader_of(images: ImageSet, batch_size: int, **order: Any) -> BatchLoader:
    return BatchLoader(images, BatchOrder(len(images), batch_size, **order))


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
def test_shards_cover_each_step_once_in_its_order(size: int, world: int, accumulate: int) -> None:
    images = image_set(size)
    alone = loader_of(images, 8, shuffle_seed=3)
    shards = [
        list(
            loader_of(
                images,
                8,
                shuffle_seed=3,
                shard=Shard(rank=rank, world=world, accumulate=accumulate),
            )
        )
        for rank in range(world)
    ]
    assert {len(shard) for shard in shards} == {len(alone) * accumulate}
    for step, whole in enumerate(alone):
        parts = [
            shard[step * accumulate + micro] for micro in range(accumulate) for shard in shards
        ]
        assert np.array_equal(np.concatenate([p.samples_n for p in parts]), whole.samples_n)
        assert {part.step_images for part in parts} == {len(whole.samples_n)}
        sizes = [len(part.samples_n) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("size", [1, 31, 33])
def test_processes_evaluate_each_image_once(size: int) -> None:
    images = image_set(size)
    loaders = [loader_of(images, 8, shard=Shard(rank=rank, world=2)) for rank in range(2)]
    assert sorted(samples(loaders[0]) + samples(loaders[1])) == list(range(size))
    for loader in loaders:
        assert len(list(loader)) == len(loader)


def test_epochs_differ() -> None:
    first, second = (
        loader_of(image_set(50), 8, shuffle_seed=1, position=lambda e=epoch: (e, 0))
        for epoch in (0, 1)
    )
    assert samples(first) != samples(second)
