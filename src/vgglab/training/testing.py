"""The test of a trained net: under each procedure, every image once, whatever the processes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from vgglab.config import Config, Procedure
from vgglab.data.module import ImageData
from vgglab.evaluation.predict import Place, predict
from vgglab.evaluation.predictions import KEPT, merged, scores_of, write_predictions
from vgglab.models.vgg import VGG
from vgglab.runs import RunDirectory
from vgglab.training.module import Diverged
from vgglab.training.parallel import Group

MEMORY_FORMATS = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}


def load_selected(net: VGG, config: Config, directory: RunDirectory) -> None:
    """Put the weights that are to be tested into the net."""
    best = config.recipe.select == "best"
    path = directory.best_checkpoint if best else directory.last_checkpoint
    stored = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "net."
    net.load_state_dict(
        {key.removeprefix(prefix): v for key, v in stored.items() if key.startswith(prefix)}
    )


def evaluate(
    config: Config,
    directory: RunDirectory,
    net: VGG,
    data: ImageData,
    group: Group,
    procedures: Sequence[Procedure],
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Write ``predictions/<label>.parquet`` for each procedure; what ``result.json`` says of them.

    ``errors`` by label, percent, and ``tests`` by label: scales, mirror images, seconds. With
    several processes each calls it and takes its share of the images; the first one returns.

    Raises:
        Diverged: a loss is not finite.
    """
    errors: dict[str, Any] = {}
    tests: dict[str, Any] = {}
    for procedure in procedures:
        begun = time.perf_counter()
        table = predict(
            net,
            data.splits.test,
            procedure,
            data.normalise,
            place_of(config, group),
            rank=group.world.rank,
            world=group.world.size,
            classes_kept=max(KEPT, *config.protocol.top_k),
            on_batch=on_batch,
        )
        tables = group.to_first(table)
        if not group.world.is_first:
            continue
        whole = merged(tables)
        scores = scores_of(whole, config.protocol.top_k)
        if not math.isfinite(scores["loss"]):
            raise Diverged(f"test loss = {scores['loss']} under protocol={procedure.label}")
        write_predictions(whole, directory.predictions(procedure.label))
        errors[procedure.label] = scores
        tests[procedure.label] = {
            "scales": list(procedure.scales),
            "mirrored": procedure.mirrored,
            "forwards": procedure.forwards,
            "seconds": round(time.perf_counter() - begun, 3),
        }
    return {"errors": errors, "tests": tests}


def place_of(config: Config, group: Group) -> Place:
    """The device that this process computes on, in the precision that the run was trained in."""
    on_gpu = config.trainer.accelerator == "gpu"
    return Place(
        device=torch.device("cuda", group.world.local_rank) if on_gpu else torch.device("cpu"),
        precision=config.trainer.precision,
        memory_format=MEMORY_FORMATS[config.trainer.memory_format],
    )
