"""The test of a trained net: under each procedure, every image once, whatever the processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vgglab.config import Config, Procedure
from vgglab.data.errors import DataError
from vgglab.data.sources.registry import channels
from vgglab.data.splits import WholeImages
from vgglab.evaluation.predict import MEMORY_FORMATS, InferenceSettings, predict, skipped_of
from vgglab.evaluation.predictions import (
    KEPT,
    merged,
    scores_of,
    with_skipped,
    write_predictions,
)
from vgglab.models.kernels.select import use_kernels, uses_packed_weights
from vgglab.models.vgg import VGG
from vgglab.runs import RunDirectory
from vgglab.training.checkpoints import net_state
from vgglab.training.distributed import Group
from vgglab.training.outcomes import Diverged


@dataclass(frozen=True)
class HeldOut:
    """The images that a net is tested on."""

    images: WholeImages
    normalise: Callable[[Tensor], Tensor]
    """From uint8 to what the net was trained on."""


def selected_weights(config: Config, directory: RunDirectory) -> dict[str, Tensor]:
    """The net's state that is to be tested: of the best or of the last epoch.

    Raises:
        DataError: the checkpoint is gone.
    """
    path = directory.selected_checkpoint(config.recipe.select)
    if not path.exists():
        raise DataError(f"{directory.id}: {path} is gone, and with it the weights to be tested")
    return net_state(path)


def stored_net(config: Config, state: Mapping[str, Tensor]) -> VGG:
    """The net of a config with these weights, computed as its trainer says; no initial ones are
    made."""
    with torch.device("meta"):
        net = VGG(
            config.model,
            config.norm,
            classes=config.data.classes,
            image_size=config.data.image_size,
            in_channels=channels(config.data),
        )
    net.load_state_dict(state, assign=True)
    use_kernels(net, config.trainer)
    return net


def evaluate(
    config: Config,
    directory: RunDirectory,
    net: VGG,
    data: HeldOut,
    group: Group,
    procedures: Sequence[Procedure],
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Write ``predictions/<label>.parquet`` for each procedure; what ``result.json`` says of them.

    ``errors`` by label, percent, and ``tests`` by label: scales, mirror images, seconds; ``test``
    where images could not be read. With several processes each calls it and takes its share of the
    images; the first one returns.

    Raises:
        Diverged: a loss is not finite.
    """
    errors: dict[str, Any] = {}
    tests: dict[str, Any] = {}
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
        for procedure in together if group.world.is_first else ():
            label = procedure.label
            whole = merged([part[label].table for part in of_all])
            whole = with_skipped(whole, skipped_m, data.images.labels_n[skipped_m])
            errors[label] = scores_of(whole, config.protocol.top_k)
            if not math.isfinite(errors[label]["loss"]):
                raise Diverged(f"test loss = {errors[label]['loss']} under protocol={label}")
            write_predictions(whole, directory.predictions(label))
            tests[label] = {
                "scales": list(procedure.scales),
                "mirrored": procedure.mirrored,
                "forwards": procedure.forwards,
                "seconds": round(max(part[label].seconds for part in of_all), 3),
            }
    found = {"errors": errors, "tests": tests}
    # Kept only where there is something to say: of nearly all data sets every image can be read.
    skipped = {"images": len(data.images), "skipped": len(skipped_m), "counted_as": "errors"}
    return found | ({"test": skipped} if len(skipped_m) else {})


def _of_equal_scales(procedures: Sequence[Procedure]) -> list[list[Procedure]]:
    groups: dict[tuple[int, ...], list[Procedure]] = {}
    for procedure in procedures:
        groups.setdefault(procedure.scales, []).append(procedure)
    return list(groups.values())


def inference_settings(config: Config, group: Group) -> InferenceSettings:
    """The device that this process computes on, in the precision that the run was trained in."""
    on_gpu = config.trainer.accelerator == "gpu"
    return InferenceSettings(
        device=torch.device("cuda", group.world.local_rank) if on_gpu else torch.device("cpu"),
        precision=config.trainer.precision,
        memory_format=MEMORY_FORMATS[config.trainer.memory_format],
        workers=config.trainer.workers,
        pack_weights=uses_packed_weights(config.trainer),
    )
