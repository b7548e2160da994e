"""The LightningDataModule of every data set: splits, loaders, augmentation and normalisation."""

from __future__ import annotations

import logging
from typing import Any, assert_never

import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.config import Config
from vgglab.config.recipe import usual_scale
from vgglab.data.augment import RandomCrops, ShiftAndFlip
from vgglab.data.color_shift import color_shift
from vgglab.data.decoder_check import check_decoder, decoder_signature
from vgglab.data.device import device_of, to_device
from vgglab.data.files import FileSet
from vgglab.data.keyed_random import dropout_keys
from vgglab.data.loaders import Batch, BatchLoader, CenterCrops, FileLoader, Loader
from vgglab.data.normalise import normalisation
from vgglab.data.order import BatchOrder, Position, Shard
from vgglab.data.resize import center_crop, rescaled
from vgglab.data.sources.registry import (
    load_splits,
    warn_of_images_left_out,
    warn_of_missing_classes,
)
from vgglab.data.splits import ImageSet
from vgglab.world import ALONE, World

log = logging.getLogger(__name__)

EVALUATION_BATCH = 250
"""Images of a validation batch; the error does not depend on it."""


def _warn_of_small_crop(config: Config) -> None:
    """Say that the net will see a small part of each image: mostly a crop without its scale."""
    scale, crop = config.recipe.test_scale, config.data.image_size
    if scale > 2 * crop:
        log.warning(
            "data.image_size = %d: a crop of less than a quarter of an image whose shorter side is "
            "rescaled to %d px; set recipe.scale_min and recipe.scale_max to %d for the usual one",
            *(crop, scale, usual_scale(crop)),
        )


class ImageData(pl.LightningDataModule):
    """Loaders of training and validation; for the test, ``splits.test`` as it is and ``normalise``.

    Files are decoded and cropped one by one in the loader's workers; everything else is done by
    batch, on the device.

    Args:
        config: of the run, resolved for this machine.
        memory_format: of the batches' images.
        world: the processes of the run, and which of them this is.
    """

    def __init__(
        self, config: Config, memory_format: torch.memory_format, world: World = ALONE
    ) -> None:
        super().__init__()
        self._config = config
        self._memory_format = memory_format
        self._device = device_of(config.trainer.accelerator, world)
        self._shard = Shard(rank=world.rank, world=world.size, accumulate=config.trainer.accumulate)
        self.splits = load_splits(config.data, config.paths.data_folder)
        if world.is_first:
            warn_of_missing_classes(config.data, self.splits)
            warn_of_images_left_out(config.data)
            _warn_of_small_crop(config)
        self.normalise = normalisation(config, self.splits)
        self._shift_colors = color_shift(config, self.splits)
        recipe, data = config.recipe, config.data
        self._test_scale, self._size = recipe.test_scale, data.image_size
        self._crop = RandomCrops(
            seed=config.seed,
            smallest=recipe.scale_min,
            largest=recipe.scale_max,
            size=data.image_size,
            flip=data.flip,
        )
        self._shift_and_flip = ShiftAndFlip(config.seed, data.shift, data.flip)
        self._loaders: list[Loader] = []

    def state_dict(self) -> dict[str, str]:
        """Of files: the decoder and a digest of its pixels, which a resumed run must find again."""
        train = self.splits.train
        return decoder_signature(train.decoder) if isinstance(train, FileSet) else {}

    def load_state_dict(self, state_dict: dict[str, str]) -> None:
        """Check that this machine decodes files as the one that wrote the checkpoint.

        Raises:
            DataError: it makes other pixels of the files.
        """
        train = self.splits.train
        if isinstance(train, FileSet):
            check_decoder(state_dict, train.decoder)

    @property
    def train_images(self) -> int:
        """Training images of an epoch."""
        return len(self.splits.train)

    def _position(self) -> Position:
        """The trainer's epoch and the steps done in it. The loader asks for them: Lightning sets a
        sampler's epoch too late after a resume, and would replay the order of epoch 0."""
        assert self.trainer is not None
        loop = self.trainer.fit_loop
        current: Any = loop.epoch_progress.current  # declared as its base class, which counts less
        epochs_done = current.processed
        micro_batches = loop.epoch_loop.batch_progress.current.ready
        return epochs_done, micro_batches // self._shard.accumulate

    def train_dataloader(self) -> Loader:
        order = BatchOrder(
            self.train_images,
            self._config.recipe.batch_size,
            shuffle_seed=self._config.seed,
            position=self._position,
            shard=self._shard,
        )
        return self._loader(self.splits.train, order)

    def val_dataloader(self) -> Loader:
        images = self.splits.validation
        return self._loader(images, BatchOrder(len(images), EVALUATION_BATCH, shard=self._shard))

    def teardown(self, stage: str) -> None:
        """End the loaders' processes and free their images: the test of the net comes next."""
        for loader in self._loaders:
            loader.close()

    def _loader(self, images: ImageSet | FileSet, order: BatchOrder) -> Loader:
        self._loaders.append(self._loader_of(images, order))
        return self._loaders[-1]

    def _loader_of(self, images: ImageSet | FileSet, order: BatchOrder) -> Loader:
        center, trainer = CenterCrops(self._test_scale, self._size), self._config.trainer
        match images:
            case ImageSet():
                return BatchLoader(images, order, self._device)
            case FileSet():
                return FileLoader(
                    images,
                    order,
                    crops=self._crop if order.is_training else center,
                    size=self._size,
                    workers=trainer.workers,
                    pin_memory=trainer.accelerator == "gpu",
                )
            case _ as unknown:
                assert_never(unknown)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Copy images, labels and random draws; sample indices stay on the host.

        Args:
            batch: From a loader.
            device: Where it is computed.
            dataloader_idx: Lightning's; not used.
        """
        draws = self._draws(batch) if self._is_training else {}
        moved = to_device(draws | {"labels": batch.labels_n}, device)
        images_nchw = batch.images_nchw.to(device, non_blocking=True)
        return batch._replace(images_nchw=images_nchw, labels_n=moved.pop("labels"), draws=moved)

    def _draws(self, batch: Batch) -> dict[str, NDArray[Any]]:
        """Random draws that training needs on the device, all made on the host."""
        key = batch.epoch, batch.samples_n
        draws: dict[str, NDArray[Any]] = {"dropout": dropout_keys(self._config.seed, *key)}
        if self._shift_colors is not None:
            draws["colors"] = self._shift_colors(*key)
        if isinstance(self.splits.train, FileSet):
            return draws
        if not self._test_scale:
            return draws | self._shift_and_flip.draws(*key)
        return draws | self._crop.draws(*key, *batch.images_nchw.shape[2:])

    @property
    def _is_training(self) -> bool:
        assert self.trainer is not None
        return bool(self.trainer.training)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        view_nchw = self._view(batch, self._is_training)
        normal_nchw = self.normalise(view_nchw, batch.draws.get("colors"))
        return batch._replace(images_nchw=normal_nchw.contiguous(memory_format=self._memory_format))

    def _view(self, batch: Batch, training: bool) -> Tensor:
        """The net's view of each image, (N, C, size, size), uint8, before normalisation."""
        if isinstance(self.splits.train, FileSet):
            return batch.images_nchw  # the loader's workers have cropped them
        if not self._test_scale:
            return self._shift_and_flip(batch) if training else batch.images_nchw
        if training:
            return self._crop(batch)
        return center_crop(rescaled(batch.images_nchw, self._test_scale), self._size)
