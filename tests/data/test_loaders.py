"""Batches: every image once in an order of its own, in memory and from files, on any processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_folder import write_image_folder

from vgglab.data.augment import RandomCrops
from vgglab.data.decode import UnreadableImage
from vgglab.data.files import FileSet, whole_images
from vgglab.data.listing import list_images
from vgglab.data.loaders import Batch, BatchLoader, CenterCrops, Crops, FileLoader
from vgglab.data.order import BatchOrder, Shard
from vgglab.data.resize import center_crop, rescaled
from vgglab.data.splits import ImageSet

CROPS = RandomCrops(seed=1, smallest=40, largest=60, size=32, flip=True)


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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> FileSet:
    root = write_image_folder(tmp_path_factory.mktemp("images"), 50)
    return list_images(root).file_set(np.arange(50))


def loader(files: FileSet, crops: Crops = CROPS, workers: int = 0, **order: Any) -> FileLoader:
    steps = BatchOrder(len(files), 8, **({"shuffle_seed": 3} | order))
    return FileLoader(files, steps, crops=crops, size=32, workers=workers)


def by_sample(batches: Iterator[Batch]) -> dict[int, torch.Tensor]:
    return {
        int(sample): image
        for batch in batches
        for sample, image in zip(batch.samples_n, batch.images_nchw, strict=True)
    }


def test_the_images_differ_in_size_and_shape(files: FileSet) -> None:
    shapes = {tuple(files.image_chw(index).shape) for index in range(50)}
    assert len(shapes) > 40
    assert {channels for channels, _, _ in shapes} == {3}


def test_each_image_is_cropped_by_its_own_draw(files: FileSet) -> None:
    order = BatchOrder(50, 8, shuffle_seed=3, position=lambda: (2, 0))
    for batch, part in zip(loader(files, position=lambda: (2, 0)), order, strict=True):
        assert (batch.samples_n == part.samples_n).all()
        assert (batch.labels_n.numpy() == files.labels_n[part.samples_n]).all()
        made = CROPS.for_each(2, part.samples_n)
        for image, sample, make in zip(batch.images_nchw, part.samples_n, made, strict=True):
            made_hwc = make(files.pixels_hwc(int(sample)))
            assert torch.equal(image.permute(1, 2, 0), torch.from_numpy(made_hwc.copy()))


def test_workers_change_nothing(files: FileSet) -> None:
    alone, helped = list(loader(files)), list(loader(files, workers=2))
    assert len(alone) == len(helped) == 7
    for one, other in zip(alone, helped, strict=True):
        assert (one.samples_n == other.samples_n).all()
        assert torch.equal(one.images_nchw, other.images_nchw)
        assert torch.equal(one.labels_n, other.labels_n)
        assert (one.epoch, one.step_images) == (other.epoch, other.step_images)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_of_files_goes_on_where_it_was_left(workers: int, files: FileSet) -> None:
    whole = [b.samples_n.tolist() for b in loader(files, position=lambda: (1, 0))]
    rest = [b.samples_n.tolist() for b in loader(files, workers=workers, position=lambda: (1, 3))]
    assert rest == whole[3:]


def test_processes_share_a_step_without_changing_its_images(files: FileSet) -> None:
    alone = by_sample(iter(loader(files)))
    shared: dict[int, torch.Tensor] = {}
    for rank in range(3):
        share = Shard(rank=rank, world=3, accumulate=2)
        part = by_sample(iter(loader(files, shard=share)))
        assert not part.keys() & shared.keys()
        shared |= part
    assert shared.keys() == alone.keys() == set(range(50))
    assert all(torch.equal(image, shared[sample]) for sample, image in alone.items())


def test_validation_is_at_the_centre_crop(files: FileSet) -> None:
    seen = by_sample(iter(loader(files, CenterCrops(48, 32), shuffle_seed=None)))
    assert list(seen) == list(range(50))
    for sample, image in seen.items():
        expected_chw = center_crop(rescaled(files.image_chw(sample), 48), 32)
        assert (image.int() - expected_chw.int()).abs().max() <= 2


@pytest.mark.parametrize(("rank", "world"), [(0, 1), (1, 3)])
def test_reading_ahead_changes_nothing_as_often_as_it_is_done(
    rank: int, world: int, files: FileSet
) -> None:
    mine = np.arange(rank, 50, world)
    for _ in range(2):
        ahead = whole_images(files, mine, 2)
        for index, image_chw in zip(mine.tolist(), ahead, strict=True):
            assert torch.equal(image_chw, files.image_chw(index))


def test_reading_draws_nothing_from_the_runs_generator(files: FileSet) -> None:
    before = torch.get_rng_state()
    list(loader(files, workers=2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_file_is_named(workers: int, tmp_path: Path) -> None:
    root = write_image_folder(tmp_path, 20)
    broken = root / "3" / "00013.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    some = list_images(root).file_set(np.arange(20))
    for read in (
        lambda: list(loader(some, workers=workers)),
        lambda: list(whole_images(some, np.arange(20), workers)),
    ):
        with pytest.raises(UnreadableImage, match=r"(?i)truncated") as caught:
            read()
        assert str(caught.value).startswith(f"{broken}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_workers_live_from_epoch_to_epoch_until_the_loader_is_closed(files: FileSet) -> None:
    others = {child.pid for child in multiprocessing.active_children()}  # of another test
    epochs = iter([(0, 0), (1, 0), (2, 0)])
    made = loader(files, workers=2, position=lambda: next(epochs))
    first = by_sample(iter(made))
    workers = {child.pid for child in multiprocessing.active_children()} - others
    second = by_sample(iter(made))
    assert len(workers) == 2
    assert {child.pid for child in multiprocessing.active_children()} - others == workers
    assert first.keys() == second.keys()
    assert not all(torch.equal(first[sample], second[sample]) for sample in first)
    expected = loader(files, workers=0, position=lambda: (1, 0))
    assert all(torch.equal(second[s], image) for s, image in by_sample(iter(expected)).items())
    next(iter(made))  # an epoch that is left in its midst
    made.close()
    assert not workers & {child.pid for child in multiprocessing.active_children()}
