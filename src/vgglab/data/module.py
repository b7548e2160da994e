"""The LightningDataModule of every in-memory data set."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
import torch

from vgglab.config import Config
from vgglab.data.augment import Augmentation, Normalisation
from vgglab.data.batches import Batch, BatchLoader, Position, Share
from vgglab.data.sources import load_splits
from vgglab.world import ALONE, World

EVALUATION_BATCH = 250
"""Images of a validation batch; the error does not depend on it."""


class InMemoryData(pl.LightningDataModule):
    """Loaders of training and validation, augmented and normalised on the device; for the test, its
    images as they are and ``normalise``."""

    def __init__(
        self, config: Config, memory_format: torch.memory_format, world: World = ALONE
    ) -> None:
        super().__init__()
        self._share = Share(rank=world.rank, world=world.size, accumulate=config.trainer.accumulate)
        self._batch_size = config.recipe.batch_size
        self._seed = config.seed
        self._memory_format = memory_format
        self.splits = load_splits(config.data, Path(config.paths.data))
        self._augment = Augmentation(config.seed, config.data.shift, config.data.flip)
        self.normalise = Normalisation.of(self.splits.train.images_nchw)

    @property
    def train_images(self) -> int:
        """Images of an epoch."""
        return len(self.splits.train)

    def _position(self) -> Position:
        """Where the trainer is. Asked by the loader: Lightning sets a sampler's epoch too late
        after a resume, and would replay the order of epoch 0."""
        assert self.trainer is not None
        loop = self.trainer.fit_loop
        epochs_done = loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        micro_batches = loop.epoch_loop.batch_progress.current.ready
        return epochs_done, micro_batches // self._share.accumulate

    def train_dataloader(self) -> BatchLoader:
        return BatchLoader(
            self.splits.train,
            self._batch_size,
            shuffle_seed=self._seed,
            position=self._position,
            share=self._share,
        )

    def val_dataloader(self) -> BatchLoader:
        return BatchLoader(self.splits.validation, EVALUATION_BATCH, share=self._share)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        return batch._replace(
            images_nchw=batch.images_nchw.to(device), labels_n=batch.labels_n.to(device)
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        assert self.trainer is not None
        images_nchw = self._augment(batch) if self.trainer.training else batch.images_nchw
        normal_nchw = self.normalise(images_nchw)
        return batch._replace(images_nchw=normal_nchw.contiguous(memory_format=self._memory_format))
