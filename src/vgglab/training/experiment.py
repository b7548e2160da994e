"""One run, from its config to its result: build, fit or resume, test."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from vgglab.config import Config
from vgglab.data.errors import DataError
from vgglab.data.module import ImageData
from vgglab.data.splits import check_shared_by
from vgglab.evaluation.predict import MEMORY_FORMATS
from vgglab.models.cost import NetCost
from vgglab.models.kernels.build import share_compiled_code
from vgglab.models.kernels.select import looks_in_cpp, use_kernels
from vgglab.models.vgg import VGG, parameters_by_block
from vgglab.runs import MetricsLog, Result, RunDirectory, Status, read_metrics
from vgglab.signals import StopRequest
from vgglab.streams import announced
from vgglab.training.averaging import AveragedNet
from vgglab.training.callbacks import Heartbeat, PlateauRule, Recorder, Sink
from vgglab.training.ceiling import ceiling, flops_per_image, hardware
from vgglab.training.checkpoints import (
    checkpoint_callbacks,
    checkpoint_step,
)
from vgglab.training.distributed import ProcessGroup
from vgglab.training.divergence import FiniteWatch
from vgglab.training.factors import EqualHeads
from vgglab.training.fault_points import FaultPoints, Moment, reach
from vgglab.training.gradients import GradientNorms
from vgglab.training.module import Classifier
from vgglab.training.net import first_net
from vgglab.training.net_cost import net_cost
from vgglab.training.optimisation import skips_steps_on_device
from vgglab.training.process import prepare_process
from vgglab.training.progress import ProgressScreen
from vgglab.training.result import SELECTION_METRIC, skipped_part, trained_result
from vgglab.training.resuming import checkpoint_to_resume
from vgglab.training.speed import SpeedMeter, speed_of
from vgglab.training.stop import CheckpointWithinEpoch, as_interrupted
from vgglab.training.testing import HeldOut, evaluate, is_trained, selected_weights
from vgglab.training.trainability import TrainabilityWatch
from vgglab.training.trainer import trainer_of
from vgglab.world import ALONE


def run_experiment(
    config: Config,
    directory: RunDirectory,
    status: Status,
    sinks: Sequence[Sink],
    group: ProcessGroup | None = None,
    first_weights: Path | None = None,
) -> Result:
    """Train what is left of a run and test it once.

    Args:
        config: the run's resolved config.
        directory: the run's directory; a checkpoint in it is resumed from.
        status: kept fresh in ``status.json``.
        sinks: further receivers of the records.
        group: the processes of the run, each of which calls this; None: this one alone.
        first_weights: the checkpoint of the run's parent, where it has one.

    Returns:
        The run's ``result.json`` in the first process; an empty dict in the others.

    Raises:
        Diverged: a loss stopped being finite.
        Untrainable: the net sits on the plateau of ln K.
        Interrupted: a signal asked to stop; ``last.ckpt`` is where to go on.
        DataError: the data set cannot be had, the weights to be tested are damaged, or
            ``metrics.jsonl`` has lost records.
    """
    group = group or ProcessGroup(ALONE)
    share_compiled_code(config.paths.data_folder)
    prepare_process(config.trainer)
    pl.seed_everything(config.seed, workers=True, verbose=False)

    screens = _screens_of(config, group)
    memory_format = MEMORY_FORMATS[config.trainer.memory_format]
    with announced("preparing the data", shown=bool(screens)), group.first_alone_first():
        data = ImageData(config, memory_format, group.world)
    steps_per_epoch = data.train_dataloader().steps
    steps = steps_per_epoch * config.recipe.epochs
    resume, trained = group.from_first(
        _where_it_stands(config, directory, steps) if group.world.is_first else None
    )
    step = checkpoint_step(resume) if resume else steps if trained else 0

    net = first_net(config, group.world, None if step else first_weights)
    module = Classifier(
        net.to(memory_format=memory_format), config, steps_per_epoch=steps_per_epoch
    )
    with announced("compiling the kernels of this machine", shown=bool(screens)):
        kernels = use_kernels(module.net, config.trainer, steps)
    cost = net_cost(config)
    check_parts(config, data.train_images, cost)
    check_shared_by(len(data.splits.validation), config.processes)

    log = MetricsLog(directory.metrics)
    skipped: Result = {}
    heartbeat = None
    if group.world.is_first:
        skipped = skipped_part(config, directory)
        heartbeat = Heartbeat(directory, status)
        history = log.rewind(step)
        for sink in [*sinks, *screens]:
            sink.start(history)

    # Norms and times are taken before they are recorded.
    gradients = _gradient_norms(config, module)
    speed = SpeedMeter(ideal=_ideal_speed(config, group, cost))
    callbacks: list[pl.Callback | None] = [
        AveragedNet(config.recipe.average_weights) if config.recipe.average_weights else None,
        FiniteWatch(
            directory,
            group,
            every=config.trainer.log_every,
            at_once=not skips_steps_on_device(config),
            in_cpp=looks_in_cpp(config.trainer),
        ),
        EqualHeads(module.factored_layers, group) if module.factored_layers else None,
        gradients,
        speed,
        Recorder(log, [*sinks, *screens], speed, gradients, group),
        heartbeat,
        _trainability_watch(config, cost, steps_per_epoch, group),
        PlateauRule(config.recipe.schedule) if config.recipe.schedule.name == "plateau" else None,
        *screens,
        FaultPoints(),
    ]
    with StopRequest() as request, as_interrupted(request), warnings.catch_warnings():
        # Not empty is as it should be: it holds what training resumes from.
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        # One process in a job of its own, or several that we have started ourselves.
        warnings.filterwarnings("ignore", "The `srun` command is available")
        stop = CheckpointWithinEpoch(directory, request, group, config.trainer.checkpoint_minutes)
        trainer = trainer_of(
            config,
            group.world,
            callbacks=[callback for callback in callbacks if callback is not None],
            last=[speed.after_logging, stop, *checkpoint_callbacks(directory)],
        )
        if not trained:
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)

        def between_test_batches() -> None:
            if heartbeat:
                heartbeat.beat()
            reach(Moment.TEST)
            stop.stop_if_asked()

        assert isinstance(module.net, VGG)
        module.net.load_state_dict(selected_weights(config, directory))
        tested = evaluate(
            config,
            directory,
            module.net,
            HeldOut(data.splits.test, data.normalise),
            group,
            config.procedures,
            on_batch=between_test_batches,
        )
    if not group.world.is_first:
        return {}
    if not log.is_as_written():
        raise DataError(
            f"{directory.metrics}: changed by something else while the run was trained; the same "
            "command goes on from a checkpoint before that"
        )
    epochs = [record for record in read_metrics(directory.metrics) if SELECTION_METRIC in record]
    return (
        trained_result(
            directory.id, epochs, cost, speed_of(epochs), hardware(config) | kernels.as_dict()
        )
        | skipped
        | tested
    )


def _where_it_stands(
    config: Config, directory: RunDirectory, steps: int
) -> tuple[Path | None, bool]:
    """The checkpoint that a run goes on from, and whether it lacks its tests alone."""
    resume = checkpoint_to_resume(directory, config.recipe.select)
    return resume, resume is None and is_trained(config, directory, steps)


def _screens_of(config: Config, group: ProcessGroup) -> list[ProgressScreen]:
    """The run's part of the screen; none in the points of a study, and in all but one process."""
    shows = config.trainer.progress and group.world.is_first
    return [ProgressScreen(config.recipe.epochs)] if shows else []


def check_parts(config: Config, train_images: int, cost: NetCost) -> None:
    """Check that batch norm has a variance in every micro-batch, also in an epoch's last step.

    Args:
        config: the run's config.
        train_images: of an epoch.
        cost: of the config's net, whose rows have the sizes of its maps.

    Raises:
        DataError: a channel has fewer than 2 values in a part of the step.
    """
    normed = [row for row in cost.layers if row.type == "batch_norm"]
    if not normed:
        return
    batch = config.recipe.batch_size
    last = train_images % batch or batch
    parts = config.parts if config.trainer.batch_norm == "local" else config.trainer.accumulate
    smallest = min(normed, key=lambda row: math.prod(row.output_shape[1:]))
    if last // parts * math.prod(smallest.output_shape[1:]) < 2:
        raise DataError(
            f"norm=batch: the last step of an epoch has {last} of {train_images} images, in "
            f"{parts} parts; in the smallest one a channel of {smallest.name} has fewer than 2 "
            "values, and so no variance; change recipe.batch_size, devices or trainer.accumulate"
        )


def _ideal_speed(config: Config, group: ProcessGroup, cost: NetCost) -> float:
    """Images a second if every device worked at the ceiling of the first one's."""
    first = group.world.is_first
    peak = ceiling(config.paths.data_folder, hardware(config)) if first else 0.0
    return config.processes * float(group.from_first(peak)) / flops_per_image(cost.macs)


def _gradient_norms(config: Config, module: Classifier) -> GradientNorms | None:
    if not config.trainer.gradient_norms:
        return None
    assert isinstance(module.net, VGG)
    return GradientNorms(parameters_by_block(module.net), config.trainer.log_every)


def _trainability_watch(
    config: Config, cost: NetCost, steps_per_epoch: int, group: ProcessGroup
) -> TrainabilityWatch | None:
    if not config.recipe.untrainable_after:
        return None
    layers = [row.name for row in cost.layers if row.type in ("conv", "fc")]
    return TrainabilityWatch(config, layers, steps_per_epoch * config.recipe.epochs, group)
