"""A step within a whole run of ours against the same step bare, of the same net.

    python -m gpu.fit FOLDER --device cuda

The run is the product's: data, trainer, callbacks, records, checkpoints. The bare step has one
batch in the device's memory and nothing around it; ``with data`` adds loading, moving and
augmentation. Digits of 224 px stand in for photographs: images in memory, one channel.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from on_device import Step, about, between, free_memory, now, peak_mib, say, step_times, trainer_of

from vgglab.training.imports import import_lightning

import_lightning()

from input import in_training
from step_candidates import bare_step_of

from vgglab.config import Config
from vgglab.config.parse import parse
from vgglab.data.loaders import Batch
from vgglab.data.module import ImageData
from vgglab.evaluation.predict import MEMORY_FORMATS
from vgglab.models.kernels.select import use_kernels
from vgglab.runs import RunDirectory, Status
from vgglab.training.experiment import run_experiment
from vgglab.training.fault_points import Moment, observed_by
from vgglab.training.module import Classifier
from vgglab.training.net import first_net
from vgglab.workflow.resolve import resolve
from vgglab.world import ALONE

WARM = 8
"""Steps of a run that are not counted."""
STEPS = 24


def config_of(device: str, batch: int, folder: str = "", *, small: bool) -> Config:
    """D at 224 px, or A at 1/16 and 32 px.

    Args:
        device: ``cpu`` or ``cuda``.
        batch: images of a step.
        folder: for data and runs; empty: ``fit`` among temporary files.
        small: the narrow net.
    """
    model = {"name": "a", "width": 1 / 16} if small else {"name": "d", "width": 1.0}
    size, images = (32, 12 * batch) if small else (224, STEPS * batch)
    data: dict[str, Any] = {"name": "cluttered_digits", "image_size": size}
    data |= {"train_images": images, "validation_images": 64, "test_images": 64}
    if not small:
        data |= {"digit_min": 112, "digit_max": 196, "fragment_size": 28}
    work = folder or str(Path(tempfile.gettempdir()) / "fit")
    return resolve(
        parse(
            {
                "model": model,
                "norm": {"name": "none"},
                "init": {"name": "he"},
                "data": data,
                # The watch computes a few steps in another way.
                "recipe": {
                    "epochs": 1,
                    "batch_size": batch,
                    "learning_rate": 1e-4,
                    "untrainable_after": 0,
                },
                "trainer": trainer_of(device)
                | {"precision": "bf16", "compile": "none" if small else "inductor"},
                "tracking": {"mode": "off"},
                "paths": {"runs": f"{work}/runs", "data": f"{work}/data"},
            }
        )
    )


def made(config: Config, device: torch.device) -> tuple[Classifier, ImageData]:
    """The module and the data as a run makes them, on the device."""
    memory_format = MEMORY_FORMATS[config.trainer.memory_format]
    data = in_training(ImageData(config, memory_format))
    net = first_net(config, ALONE, None).to(memory_format=memory_format)
    module = Classifier(net, config, steps_per_epoch=data.train_dataloader().steps).to(device)
    use_kernels(module.net, config.trainer)
    return module, data


def batches_on(data: ImageData, device: torch.device) -> Iterator[Batch]:
    """Batches as Lightning hands them to the module, epoch after epoch."""
    while True:
        for loaded in data.train_dataloader():
            moved = data.on_before_batch_transfer(loaded, 0)
            moved = data.transfer_batch_to_device(moved, device, 0)
            yield data.on_after_batch_transfer(moved, 0)


def bare_step(config: Config, device: torch.device, *, with_data: bool = False) -> Step:
    """The step of a run without Lightning and without callbacks.

    Args:
        config: of the run.
        device: where it computes.
        with_data: take the next batch for each step, not always the same.
    """
    module, data = made(config, device)
    batches = batches_on(data, device)
    one = next(batches)
    return bare_step_of(module, lambda: next(batches) if with_data else one, device)


def fit_times(config: Config, device: torch.device) -> tuple[list[float], dict[str, Any]]:
    """Milliseconds of the steps of a run, the first ones left out, and its result."""
    directory = RunDirectory(Path(config.paths.runs) / "run")
    directory.path.mkdir(parents=True)
    marks: list[Any] = []

    def observe(moment: Moment, details: Any) -> None:
        if moment is Moment.BATCH:
            marks.append(now(device))

    with observed_by(observe):
        result = run_experiment(config, directory, Status(), [])
    return between(marks[WARM:], device), dict(result)


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--batch", type=int)
    options = parser.parse_args()
    device = torch.device(options.device)
    batch = options.batch or (8 if options.small else 128)
    config = config_of(options.device, batch, options.folder, small=options.small)
    warnings.simplefilter("ignore")
    torch.backends.cudnn.benchmark = True  # as Lightning's trainer sets it for a run
    warm, steps = (2, 4) if options.small else (5, 16)
    bare = None
    for name, with_data in (("bare step", False), ("bare step with data", True)):
        free_memory(device)
        step = bare_step(config, device, with_data=with_data)
        times = step_times(step, device, warm=warm, steps=steps)
        milliseconds = statistics.median(times)
        bare = bare or milliseconds
        say(
            what=name,
            batch=batch,
            ms=round(milliseconds, 3),
            slowest_ms=round(max(times), 3),
            peak_mib=peak_mib(device),
            over_bare=round(milliseconds / bare, 4) if with_data else None,
        )
        del step
    free_memory(device)
    try:
        times, result = fit_times(config, device)
    except Exception as error:
        say(what="a whole run", batch=batch, error=about(error))
        raise
    milliseconds = statistics.median(times)
    say(
        what="a whole run",
        batch=batch,
        ms=round(milliseconds, 3),
        slowest_ms=round(max(times), 3),
        peak_mib=peak_mib(device),
        over_bare=round(milliseconds / bare, 4) if bare else None,
    )
    speed = {name: round(value, 2) for name, value in result["speed"].items()}
    say(what="what the run says of itself", **speed)


if __name__ == "__main__":
    main()
