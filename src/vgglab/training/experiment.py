"""One run, from its config to its result: build, fit or resume, test."""

from __future__ import annotations

import contextlib
import platform
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.utilities.exceptions import SIGTERMException

from vgglab.config import Config
from vgglab.data.module import InMemoryData
from vgglab.data.sources import channels
from vgglab.evaluation.predictions import write_predictions
from vgglab.models.blocks import parameters_by_block
from vgglab.models.build import build
from vgglab.models.cost import NetCost, describe
from vgglab.models.vgg import VGG
from vgglab.runs import MetricsLog, RunDirectory, Status, read_metrics
from vgglab.training.allocator import keep_freed_memory
from vgglab.training.callbacks import (
    Heartbeat,
    Interrupted,
    PlateauRule,
    Recorder,
    Sink,
    StopOnSignal,
)
from vgglab.training.ceiling import ceiling, flops_per_image
from vgglab.training.checkpoints import AtomicCheckpointIO, checkpoint_callbacks, checkpoint_step
from vgglab.training.gradients import GradientNorms
from vgglab.training.module import SELECTION_METRIC, Classifier
from vgglab.training.speed import SpeedMeter

MEMORY_FORMATS = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


def run_experiment(
    config: Config, directory: RunDirectory, status: Status, sinks: Sequence[Sink]
) -> dict[str, Any]:
    """Train what is left to train of a run, test it once, and return its ``result.json``.

    Raises:
        Diverged: a loss stopped being finite.
        Interrupted: a signal asked to stop; ``last.ckpt`` says where to go on.
        DataError: the data set cannot be had.
    """
    if config.trainer.keep_memory and config.trainer.accelerator == "cpu":
        keep_freed_memory()
    torch.set_num_threads(config.trainer.threads)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    memory_format = MEMORY_FORMATS[config.trainer.memory_format]
    data = InMemoryData(config, memory_format)
    module = Classifier(
        _net(config).to(memory_format=memory_format),
        config,
        steps_per_epoch=len(data.train_dataloader()),
    )
    log = MetricsLog(directory.metrics)
    history = log.rewind(checkpoint_step(directory.last_checkpoint))
    for sink in sinks:
        sink.start(history)
    cost = _cost(config)
    peak = ceiling(Path(config.paths.data), hardware(config))
    speed = SpeedMeter(ideal=peak / flops_per_image(cost.macs))
    gradients = _gradient_norms(config, module)
    recorder = Recorder(log, sinks, speed, gradients)
    with StopOnSignal(directory) as stop:
        trainer = _trainer(
            config,
            # Norms and times are taken before they are recorded.
            [
                *([gradients] if gradients else []),
                speed,
                recorder,
                Heartbeat(directory, status),
                *_rules(config),
            ],
            [stop, *checkpoint_callbacks(directory)],
        )
        resume = directory.last_checkpoint if directory.last_checkpoint.exists() else None
        with warnings.catch_warnings(), as_interrupted():
            # Not empty is as it should be: it holds what training resumes from.
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
            _load_selected(config, module, directory)
            trainer.test(module, datamodule=data, verbose=False)
    write_predictions(module.predictions.table(), directory.predictions(config.protocol.name))
    return _result(config, directory, module, data, cost)


@contextlib.contextmanager
def as_interrupted() -> Iterator[None]:
    """Lightning sees a SIGTERM too, and leaves at the end of an epoch in its own way."""
    try:
        yield
    except SIGTERMException as error:
        raise Interrupted("SIGTERM") from error


def _net(config: Config) -> torch.nn.Module:
    return build(
        config.model,
        config.norm,
        config.init,
        classes=config.data.classes,
        image_size=config.data.image_size,
        in_channels=channels(config.data),
        seed=config.seed,
    )


def _cost(config: Config) -> NetCost:
    return describe(
        config.model,
        config.norm,
        classes=config.data.classes,
        image_size=config.data.image_size,
        in_channels=channels(config.data),
    )


def _gradient_norms(config: Config, module: Classifier) -> GradientNorms | None:
    if not config.trainer.gradient_norms:
        return None
    assert isinstance(module.net, VGG)
    return GradientNorms(parameters_by_block(module.net), config.trainer.log_every)


def _rules(config: Config) -> list[pl.Callback]:
    schedule = config.recipe.schedule
    return [PlateauRule(schedule)] if schedule.name == "plateau" else []


def _trainer(
    config: Config, callbacks: Sequence[pl.Callback], last: Sequence[pl.Callback]
) -> pl.Trainer:
    bar = config.trainer.progress and sys.stdout.isatty()
    return pl.Trainer(
        accelerator=config.trainer.accelerator,
        devices=1,
        precision=PRECISIONS[config.trainer.precision],  # type: ignore[arg-type]
        max_epochs=config.recipe.epochs,
        callbacks=[*callbacks, *([RichProgressBar(refresh_rate=20)] if bar else []), *last],
        plugins=[AtomicCheckpointIO()],
        logger=False,
        enable_progress_bar=bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        benchmark=config.trainer.accelerator == "gpu",
    )


def _load_selected(config: Config, module: Classifier, directory: RunDirectory) -> None:
    """Put the weights to be tested into the module."""
    if config.recipe.select == "best":
        stored = torch.load(directory.best_checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(stored["state_dict"])


def _result(
    config: Config,
    directory: RunDirectory,
    module: Classifier,
    data: InMemoryData,
    cost: NetCost,
) -> dict[str, Any]:
    """``result.json``: errors by protocol, cost, speed, hardware."""
    epochs = [r for r in read_metrics(directory.metrics) if SELECTION_METRIC in r]
    best = min(epochs, key=lambda record: float(record[SELECTION_METRIC]))
    return {
        "run": directory.id,
        "errors": {
            config.protocol.name: module.results["test"] | {"images": len(data.splits.test)}
        },
        "validation": {
            "best_top1_error": best[SELECTION_METRIC],
            "best_epoch": round(best["epoch"]),
            "last_top1_error": epochs[-1][SELECTION_METRIC],
        },
        "cost": {key: value for key, value in cost.as_dict().items() if isinstance(value, int)},
        "speed": speed_of(epochs),
        "hardware": hardware(config),
        "trainability": {"state": "finished", "reason": ""},
    }


def speed_of(epochs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Medians over epochs of what each epoch's record says of speed, and the time in training."""
    values: dict[str, float] = {}
    for key in ("step_ms", "images_per_second", "mfu"):
        numbers = sorted(record[f"speed/{key}"] for record in epochs)
        values[key] = numbers[len(numbers) // 2]
    values["peak_memory_mib"] = max(record["speed/peak_memory_mib"] for record in epochs)
    values["train_seconds"] = sum(record["speed/epoch_seconds"] for record in epochs)
    return values


def hardware(config: Config) -> dict[str, Any]:
    """What the run was computed on, as resolved."""
    trainer = config.trainer
    return {
        "accelerator": trainer.accelerator,
        "device": torch.cuda.get_device_name() if trainer.accelerator == "gpu" else cpu_name(),
        "precision": trainer.precision,
        "memory_format": trainer.memory_format,
        "threads": trainer.threads,
        "keep_memory": trainer.keep_memory,
        "host": platform.node(),
    }


def cpu_name() -> str:
    """The processor's name as Linux knows it, else as Python does."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
