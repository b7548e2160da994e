"""One run, from its config to its result: build, fit or resume, test."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import RichProgressBar

from vgglab.config import Config
from vgglab.data.errors import DataError
from vgglab.data.module import ImageData
from vgglab.data.sources.registry import channels
from vgglab.evaluation.predict import MEMORY_FORMATS
from vgglab.models.batch_norm import synchronised
from vgglab.models.build import build
from vgglab.models.cost import NetCost
from vgglab.models.kernels.select import Kernels, use_kernels
from vgglab.models.vgg import VGG, parameters_by_block
from vgglab.runs import MetricsLog, RunDirectory, Status, read_metrics
from vgglab.signals import StopRequest
from vgglab.training.allocator import use_allocator
from vgglab.training.callbacks import Heartbeat, PlateauRule, Recorder, Sink
from vgglab.training.ceiling import ceiling, flops_per_image
from vgglab.training.checkpoints import (
    AtomicCheckpointIO,
    checkpoint_callbacks,
    checkpoint_step,
    checkpoint_to_resume,
)
from vgglab.training.distributed import Environment, Group, SizeGuard, strategy_of
from vgglab.training.divergence import FiniteWatch
from vgglab.training.fault_points import Moment, OnMoment, Teller, ignore
from vgglab.training.first_weights import start_from
from vgglab.training.gradients import GradientNorms
from vgglab.training.hardware import hardware
from vgglab.training.module import SELECTION_METRIC, Classifier
from vgglab.training.net_cost import net_cost
from vgglab.training.optimisation import skips_steps_on_device
from vgglab.training.skipped_images import note_skipped
from vgglab.training.speed import SpeedMeter, speed_of
from vgglab.training.stop import CheckpointWithinEpoch, Interrupted
from vgglab.training.testing import HeldOut, evaluate, selected_weights
from vgglab.training.trainability import TrainabilityWatch
from vgglab.world import ALONE, World

PRECISIONS: dict[str, Literal["32-true", "64-true", "bf16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
}


def run_experiment(
    config: Config,
    directory: RunDirectory,
    status: Status,
    sinks: Sequence[Sink],
    group: Group | None = None,
    first_weights: Path | None = None,
    on_moment: OnMoment = ignore,
) -> dict[str, Any]:
    """Train what is left to train of a run, test it once, and return its ``result.json``.

    ``first_weights`` is the checkpoint of its parent, where it has one. ``on_moment`` is told of
    the moments at which a kill may come.

    With several processes, each calls it; the first writes and returns, the others return nothing.

    Raises:
        Diverged: a loss stopped being finite.
        Untrainable: the net sits on the plateau of ln K.
        Interrupted: a signal asked to stop; ``last.ckpt`` says where to go on.
        DataError: the data set cannot be had, or the weights to be tested are damaged.
    """
    group = group or Group(ALONE)
    use_allocator(config.trainer)
    torch.set_num_threads(config.trainer.threads)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    memory_format = MEMORY_FORMATS[config.trainer.memory_format]
    with group.first_alone_first():
        data = ImageData(config, memory_format, group.world)
    resume = group.from_first(checkpoint_to_resume(directory) if group.world.is_first else None)
    step = checkpoint_step(resume) if resume else 0
    module = Classifier(
        _net(config, group.world, None if step else first_weights).to(memory_format=memory_format),
        config,
        steps_per_epoch=data.train_dataloader().steps,
    )
    used = use_kernels(module.net, config.trainer)
    check_parts(config, data)
    skipped = note_skipped(config, directory) if group.world.is_first else {}
    log = MetricsLog(directory.metrics)
    if group.world.is_first:
        history = log.rewind(step)
        for sink in sinks:
            sink.start(history)
    cost = net_cost(config)
    speed = SpeedMeter(ideal=_ideal_speed(config, group, cost))
    gradients = _gradient_norms(config, module)
    watch = _trainability_watch(config, cost, data.train_dataloader().steps, group)
    heartbeat = Heartbeat(directory, status) if group.world.is_first else None
    # Norms and times are taken before they are recorded.
    watchers: list[pl.Callback] = [
        FiniteWatch(
            directory,
            group,
            every=config.trainer.log_every,
            at_once=not skips_steps_on_device(config),
        ),
        *([gradients] if gradients else []),
        speed,
        Recorder(log, sinks, speed, gradients, group),
        *([heartbeat] if heartbeat else []),
        *([watch] if watch else []),
        *_rules(config),
        Teller(on_moment),
    ]
    with StopRequest() as request:
        minutes = config.trainer.checkpoint_minutes
        within = CheckpointWithinEpoch(directory, request, group, minutes)
        last = [speed.after_logging, within, *checkpoint_callbacks(directory)]
        trainer = _trainer(config, group, watchers, last, AtomicCheckpointIO(on_moment))

        def between_test_batches() -> None:
            if heartbeat:
                heartbeat.beat()
            on_moment(Moment.TEST, None)
            within.stop_if_asked()

        with warnings.catch_warnings(), as_interrupted(request):
            # Not empty is as it should be: it holds what training resumes from.
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
            # One process in a job of its own, or several that we have started ourselves.
            warnings.filterwarnings("ignore", "The `srun` command is available")
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
            assert isinstance(module.net, VGG)
            module.net.load_state_dict(selected_weights(config, directory))
            tested = evaluate(
                config,
                directory,
                module.net,
                HeldOut(data.splits.test, data.normalise),
                group,
                config.procedures,
                between_test_batches,
            )
    if not group.world.is_first:
        return {}
    return _result(config, directory, cost, used) | skipped | tested


@contextlib.contextmanager
def as_interrupted(request: StopRequest) -> Iterator[None]:
    """Asked to stop, a process may be gone before another has found a place to stop at."""
    try:
        yield
    except RuntimeError as error:
        if request.noted is None:
            raise
        raise Interrupted(request.noted.name) from error


def check_parts(config: Config, data: ImageData) -> None:
    """Batch norm needs an image in every micro-batch, also in the last step of an epoch.

    Raises:
        DataError: there is none.
    """
    last = data.train_images % config.recipe.batch_size or config.recipe.batch_size
    parts = config.parts if config.trainer.batch_norm == "local" else config.trainer.accumulate
    if config.norm.name == "batch" and last < parts:
        raise DataError(
            f"norm=batch: the last step of an epoch has {last} of {data.train_images} images, "
            f"fewer than its {parts} parts; change recipe.batch_size, devices or trainer.accumulate"
        )


def _net(config: Config, world: World, first_weights: Path | None) -> torch.nn.Module:
    net = build(
        config.model,
        config.norm,
        config.init,
        classes=config.data.classes,
        image_size=config.data.image_size,
        in_channels=channels(config.data),
        seed=config.seed,
    )
    if first_weights is not None:
        start_from(net, config, first_weights)
    if world.is_alone or config.trainer.batch_norm == "local":
        return net
    return synchronised(net, on_gpu=config.trainer.accelerator == "gpu")


def _ideal_speed(config: Config, group: Group, cost: NetCost) -> float:
    """Images a second if every device worked at the ceiling of the first one's."""
    first = group.world.is_first
    peak = ceiling(Path(config.paths.data), hardware(config)) if first else 0.0
    return config.processes * float(group.from_first(peak)) / flops_per_image(cost.macs)


def _gradient_norms(config: Config, module: Classifier) -> GradientNorms | None:
    if not config.trainer.gradient_norms:
        return None
    assert isinstance(module.net, VGG)
    return GradientNorms(parameters_by_block(module.net), config.trainer.log_every)


def _trainability_watch(
    config: Config, cost: NetCost, steps_per_epoch: int, group: Group
) -> TrainabilityWatch | None:
    if not config.recipe.untrainable_after:
        return None
    layers = [row.name for row in cost.layers if row.type in ("conv", "fc")]
    return TrainabilityWatch(config, layers, steps_per_epoch * config.recipe.epochs, group)


def _rules(config: Config) -> list[pl.Callback]:
    schedule = config.recipe.schedule
    return [PlateauRule(schedule)] if schedule.name == "plateau" else []


def _trainer(
    config: Config,
    group: Group,
    callbacks: Sequence[pl.Callback],
    last: Sequence[pl.Callback],
    checkpoints: AtomicCheckpointIO,
) -> pl.Trainer:
    bar = config.trainer.progress and sys.stdout.isatty()
    trainer = pl.Trainer(
        accelerator=config.trainer.accelerator,
        devices=group.world.local_size,
        num_nodes=group.world.nodes,
        strategy=strategy_of(config.trainer, group.world),
        precision=PRECISIONS[config.trainer.precision],
        max_epochs=config.recipe.epochs,
        accumulate_grad_batches=config.trainer.accumulate,
        callbacks=[
            SizeGuard(config.processes),
            *callbacks,
            *([RichProgressBar(refresh_rate=20)] if bar else []),
            *last,
        ],
        plugins=[checkpoints, Environment(group.world)],
        logger=False,
        enable_progress_bar=bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        benchmark=config.trainer.accelerator == "gpu" and config.trainer.cudnn_benchmark,
    )
    # Lightning's handler of SIGTERM waits for the other processes in the middle of whatever this
    # one was doing. Ours notes the signal, and all agree at the end of a step.
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def _result(
    config: Config, directory: RunDirectory, cost: NetCost, used: Kernels
) -> dict[str, Any]:
    """``result.json`` but for the tests: selection, cost, speed, hardware and what was used."""
    epochs = [r for r in read_metrics(directory.metrics) if SELECTION_METRIC in r]
    best = min(epochs, key=lambda record: float(record[SELECTION_METRIC]))
    return {
        "run": directory.id,
        "validation": {
            "best_top1_error": best[SELECTION_METRIC],
            "best_epoch": round(best["epoch"]),
            "last_top1_error": epochs[-1][SELECTION_METRIC],
        },
        "cost": {key: value for key, value in cost.as_dict().items() if isinstance(value, int)},
        "speed": speed_of(epochs),
        "hardware": hardware(config) | used.as_dict(),
        "trainability": {"state": "finished", "reason": ""},
    }
