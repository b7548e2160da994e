"""The test of a trained net: each image once under each procedure, shared out over processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from vgglab.config import Config, Procedure
from vgglab.data.device import device_of
from vgglab.data.errors import DataError
from vgglab.data.splits import WholeImages
from vgglab.evaluation.predict import MEMORY_FORMATS, InferenceSettings, predict, skipped_of
from vgglab.evaluation.predictions import (
    KEPT,
    merged,
    scores_of,
    with_skipped,
    write_predictions,
)
from vgglab.models.kernels.select import uses_packed_weights
from vgglab.models.vgg import VGG
from vgglab.runs import RunDirectory, read_metrics
from vgglab.runs.records import ProtocolErrors, ProtocolTest, Result
from vgglab.training.checkpoints import net_state
from vgglab.training.distributed import ProcessGroup
from vgglab.training.optimisation import ends_at
from vgglab.training.outcomes import Diverged
from vgglab.training.result import SELECTION_METRIC, procedure_part, tested_part
from vgglab.training.resuming import fault_of_best, fault_of_epoch


@dataclass(frozen=True)
class HeldOut:
    """The images that a net is tested on."""

    images: WholeImages
    normalise: Callable[[Tensor], Tensor]
    """From uint8 images (N, C, H, W) to what the net was trained on."""


def selected_weights(config: Config, directory: RunDirectory) -> dict[str, Tensor]:
    """The state of the net to be tested: that of the best or of the last epoch.

    Raises:
        DataError: the checkpoint is gone, damaged, or of another epoch than the best.
    """
    path = directory.selected_checkpoint(config.recipe.select)
    if not path.exists():
        raise DataError(f"{directory.id}: {path} is gone, and with it the weights to be tested")
    state = net_state(path)
    if config.recipe.select == "best" and (found := fault_of_epoch(directory, path)):
        raise DataError(
            f"{path} {found}, which {directory.metrics.name} says was the best; remove "
            f"{directory.path} to train the run anew"
        )
    return state


def is_trained(config: Config, directory: RunDirectory, steps: int) -> bool:
    """Whether a run without a checkpoint to go on from lacks its tests alone.

    That is one that had finished, and whose ``status.json`` or ``result.json`` was damaged since.

    Args:
        config: of the run.
        directory: of the run.
        steps: of the whole run.
    """
    if config.recipe.select != "best":
        return False
    epochs = [r for r in read_metrics(directory.metrics) if SELECTION_METRIC in r]
    is_whole = len(epochs) >= config.recipe.epochs and epochs[-1]["step"] == steps
    if not is_whole and not ends_at(config.recipe.schedule, (r[SELECTION_METRIC] for r in epochs)):
        return False
    return not fault_of_best(directory, directory.best_checkpoint)


def evaluate(
    config: Config,
    directory: RunDirectory,
    net: VGG,
    data: HeldOut,
    group: ProcessGroup,
    procedures: Sequence[Procedure],
    on_batch: Callable[[], None] = lambda: None,
) -> Result:
    """Test a net and write ``predictions/<label>.parquet`` for each procedure.

    With several processes each calls it and takes its share of the images.

    Args:
        config: the run's config.
        directory: the run's directory.
        net: a trained net.
        data: the images to test on.
        group: the processes of the run.
        procedures: ways of testing; those of equal test scales share their forwards.
        on_batch: called after every batch.

    Returns:
        The part of ``result.json`` about tests, in the first process; see ``tested_part``.

    Raises:
        Diverged: a loss is not finite.
    """
    errors: dict[str, ProtocolErrors] = {}
    tests: dict[str, ProtocolTest] = {}
    skipped_m = skipped_of(data.images)
    for together in _of_equal_scales(procedures):
        predicted = predict(
            net,
            data.images,
            together,
            data.normalise,
            inference_settings(config, group),
            rank=group.world.rank,
            world=group.world.size,
            classes_kept=max(KEPT, *config.protocol.top_k),
            on_batch=on_batch,
        )
        of_all = group.to_first(predicted)
        diverged = ""
        for procedure in together if group.world.is_first else ():
            label = procedure.label
            whole = merged([part[label].table for part in of_all])
            whole = with_skipped(whole, skipped_m, data.images.labels_n[skipped_m])
            errors[label] = scores_of(whole, config.protocol.top_k)
            if not math.isfinite(errors[label]["loss"]):
                diverged = f"test loss = {errors[label]['loss']} under protocol={label}"
                break
            write_predictions(whole, data.images.originals_n, directory.predictions(label))
            seconds = max(part[label].seconds for part in of_all)
            tests[label] = procedure_part(procedure, seconds)
        if diverged := group.from_first(diverged):  # all end alike, and none waits for another
            raise Diverged(diverged)
    return tested_part(errors, tests, len(data.images), len(skipped_m))


def _of_equal_scales(procedures: Sequence[Procedure]) -> list[list[Procedure]]:
    groups: dict[tuple[int, ...], list[Procedure]] = {}
    for procedure in procedures:
        groups.setdefault(procedure.scales, []).append(procedure)
    return list(groups.values())


def inference_settings(config: Config, group: ProcessGroup) -> InferenceSettings:
    """This process's device, and the precision that the run was trained in."""
    return InferenceSettings(
        device=device_of(config.trainer.accelerator, group.world),
        precision=config.trainer.precision,
        memory_format=MEMORY_FORMATS[config.trainer.memory_format],
        workers=config.trainer.workers,
        pack_weights=uses_packed_weights(config.trainer),
        round_weights=config.trainer.accelerator == "gpu" and config.trainer.precision == "bf16",
    )
