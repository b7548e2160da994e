"""The same runs as the best-known Lightning + Hydra template would do them: a peer, not ours.

    python benchmarks/template.py -m model=a,d seed=0,1 folder=/tmp/x

What ashleve/lightning-hydra-template's users get when they put a VGG of ours and the cluttered
digits where it has its net and MNIST, with its defaults: a Dataset that transforms each image,
float32, one torchmetrics object for each split and metric handed to ``self.log``, the progress bar,
WandbLogger (offline), a checkpoint each epoch, the test with the best one, ``-m`` one run after the
other in one process. Prints a JSON line a run.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any, cast

import hydra
import pytorch_lightning as pl
import torch
import wandb
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ModelCheckpoint, RichModelSummary, RichProgressBar
from pytorch_lightning.loggers import WandbLogger
from torch import Tensor, nn
from torchmetrics import MaxMetric, MeanMetric
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms import v2

from vgglab.config import ClutteredDigitsConfig, InitConfig, NormConfig
from vgglab.config.model import ModelConfig
from vgglab.data.sources.registry import load_splits
from vgglab.data.splits import ImageSet
from vgglab.models.build import build
from vgglab.models.lrn import LocalResponseNorm

DEFAULTS: dict[str, Any] = {
    "model": "a",
    "seed": 0,
    "width": 0.125,
    "epochs": 5,
    "batch_size": 64,
    "learning_rate": 0.02,
    "train_images": 10_000,
    "threads": 0,
    "fused": False,
    "precision": "32-true",
    "folder": "template",
    "data": "datasets",
}


class Images(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images and labels, each transformed when it is asked for."""

    def __init__(self, images: ImageSet, transform: v2.Transform) -> None:
        self._images, self._transform = images, transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image_chw = self._transform(self._images.image_chw(index))
        return image_chw, int(self._images.labels_n[index])


class DigitsModule(pl.LightningDataModule):
    """Three loaders, as in the template: no workers, memory not pinned."""

    def __init__(self, config: DictConfig) -> None:
        super().__init__()
        self._batch_size = config.batch_size
        data = ClutteredDigitsConfig(train_images=config.train_images)
        self._splits = load_splits(data, Path(config.data))
        plain = [v2.ToDtype(torch.float32, scale=True), v2.Normalize((0.13,), (0.31,))]
        self._plain = v2.Compose(plain)
        self._augmented = v2.Compose([v2.RandomCrop(32, padding=2), *plain])

    def _loader(self, images: ImageSet, transform: v2.Transform, *, shuffle: bool = False) -> Any:
        return torch.utils.data.DataLoader(
            Images(images, transform), self._batch_size, shuffle=shuffle
        )

    def train_dataloader(self) -> Any:
        return self._loader(self._splits.train, self._augmented, shuffle=True)

    def val_dataloader(self) -> Any:
        return self._loader(self._splits.validation, self._plain)

    def test_dataloader(self) -> Any:
        return self._loader(self._splits.test, self._plain)


class LitNet(pl.LightningModule):
    """Loss and accuracy of each split as metric objects, logged every step."""

    def __init__(self, config: DictConfig) -> None:
        super().__init__()
        self._config = config
        self.net = plain_net(config)
        self.criterion = nn.CrossEntropyLoss()
        self.losses = nn.ModuleDict({f"{s}_loss": MeanMetric() for s in ("train", "val", "test")})
        self.accuracies = nn.ModuleDict(
            {f"{s}_acc": MulticlassAccuracy(10, average="micro") for s in ("train", "val", "test")}
        )
        self.val_acc_best = MaxMetric()

    def forward(self, images_nchw: Tensor) -> Tensor:
        return cast("Tensor", self.net(images_nchw))

    def _step(self, batch: Any, split: str) -> Tensor:
        images_nchw, labels_n = batch[0], batch[1]
        logits_nk = self(images_nchw)
        loss: Tensor = self.criterion(logits_nk, labels_n)
        mean: Any = self.losses[f"{split}_loss"]
        accuracy: Any = self.accuracies[f"{split}_acc"]
        mean(loss)
        accuracy(torch.argmax(logits_nk, dim=1), labels_n)
        self.log(f"{split}/loss", mean, on_step=False, on_epoch=True, prog_bar=True)
        self.log(f"{split}/acc", accuracy, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._step(batch, "val")

    def on_validation_epoch_end(self) -> None:
        accuracy: Any = self.accuracies["val_acc"]
        self.val_acc_best(accuracy.compute())
        self.log("val/acc_best", self.val_acc_best.compute(), sync_dist=True, prog_bar=True)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._step(batch, "test")

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(
            self.parameters(),
            lr=self._config.learning_rate,
            momentum=0.9,
            weight_decay=5e-4,
            fused=self._config.fused,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def plain_net(config: DictConfig) -> nn.Module:
    """The net with torch's own layers, in torch's own memory format."""
    net: nn.Module = build(
        ModelConfig(name=config.model, width=config.width, dropout=0.0),
        NormConfig(name="batch"),
        InitConfig(name="he"),
        classes=10,
        image_size=32,
        in_channels=1,
        seed=config.seed,
    )
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, LocalResponseNorm):
                setattr(parent, name, nn.LocalResponseNorm(5, 5 * 1e-4, 0.75, 2.0))
    return net


class StepTimes(pl.Callback):
    """When the first step ended, and how long those after the first epoch took, data included."""

    def __init__(self) -> None:
        self.first_step = self.seconds = self._begun = 0.0
        self.steps = 0

    def on_train_epoch_start(self, *_: Any) -> None:
        self._begun = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.first_step = self.first_step or time.time()
        if trainer.current_epoch and trainer.is_last_batch:
            self.seconds += time.perf_counter() - self._begun
            self.steps += int(trainer.num_training_batches)


def train(
    config: DictConfig,
    data: pl.LightningDataModule | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> dict[str, Any]:
    """One run as the template's ``train.py`` does it: its error, its steps' times."""
    if config.threads:
        torch.set_num_threads(config.threads)
    pl.seed_everything(config.seed, workers=True)
    folder = Path(config.folder) / f"{config.model}-{config.seed}-{time.time_ns()}"
    folder.mkdir(parents=True)
    times = StepTimes()
    checkpoint = ModelCheckpoint(
        folder / "checkpoints", monitor="val/acc", mode="max", save_last=True
    )
    trainer = pl.Trainer(
        default_root_dir=folder,
        accelerator="auto",
        devices=1,
        max_epochs=config.epochs,
        precision=config.precision,
        callbacks=[times, checkpoint, RichModelSummary(max_depth=-1), RichProgressBar()],
        logger=WandbLogger(project="peer", save_dir=folder, offline=True, reinit=True),
    )
    net, data = LitNet(config).to(memory_format=memory_format), data or DigitsModule(config)
    trainer.fit(net, datamodule=data)
    (tested,) = trainer.test(net, datamodule=data, ckpt_path="best", weights_only=False)
    wandb.finish()
    return {
        "model": config.model,
        "seed": config.seed,
        "top1_error": 100 * (1 - tested["test/acc"]),
        "step_ms": 1e3 * times.seconds / times.steps if times.steps else None,
        "first_step": times.first_step,
    }


@hydra.main(version_base="1.3", config_path=None, config_name="template")
def main(config: DictConfig) -> None:
    """Train and say how it went."""
    warnings.simplefilter("ignore")  # it has many, none of them ours
    print(json.dumps(train(config)), flush=True)


ConfigStore.instance().store("template", node=DEFAULTS)

if __name__ == "__main__":
    main()
