"""``python -m vgglab.training.try_step ACCUMULATE...``: find a division of a step that fits.

It runs in a process of its own, with a run's config on its standard input: where a step does not
fit, Linux may kill the process, and the end of a process frees a GPU's memory completely. Each
division is printed before it is tried, so that the parent process knows which one failed.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from vgglab.config import Config, InitConfig
from vgglab.config.parse import parse
from vgglab.data.module import EVALUATION_BATCH
from vgglab.data.order import largest_part
from vgglab.data.sources.registry import channels
from vgglab.evaluation.predict import MEMORY_FORMATS
from vgglab.machine import gpu_share
from vgglab.memory import is_out_of_memory
from vgglab.models.build import build
from vgglab.models.kernels.select import use_kernels
from vgglab.training.optimisation import optimizer_of
from vgglab.training.process import prepare_process
from vgglab.training.trainer import searches_convolutions

TRYING, FITS = "trying", "fits"
LEFT_FREE = 0.1
"""Share of a GPU's memory for everything but the steps, and for fragmentation."""
STEPS = 2
"""The second step has the optimiser's state, too, which the first one allocates."""


def share_of_card() -> float:
    """Share of a GPU's memory for steps: other points of a study may be on it."""
    return (1 - LEFT_FREE) * gpu_share()


def first_that_fits(config: Config, divisions: Iterable[int]) -> int | None:
    """The first of these numbers of micro-batches whose step fits into memory; else None."""
    for accumulate in divisions:
        print(TRYING, accumulate, flush=True)
        try:
            _steps(config, largest_part(config.recipe.batch_size, config.processes * accumulate))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return accumulate
        gc.collect()
        if config.trainer.accelerator == "gpu":
            torch.cuda.empty_cache()
    return None


def _steps(config: Config, images: int) -> None:
    """Make two steps on black images, and a batch of validation."""
    trainer, data = config.trainer, config.data
    device = torch.device("cuda" if trainer.accelerator == "gpu" else "cpu")
    net = build(
        config.model,
        config.norm,
        InitConfig(),  # the weights' values do not matter
        classes=data.classes,
        image_size=data.image_size,
        in_channels=channels(data),
        seed=0,
    )
    form = MEMORY_FORMATS[trainer.memory_format]
    net = net.to(device).to(memory_format=form)
    # Eager where the run may be compiled: that takes more memory, and no minute to compile.
    use_kernels(net, trainer, steps=0)
    optimizer = optimizer_of(config.recipe, net.parameters(), trainer.fused_optimizer)
    averaged = copy.deepcopy(net) if config.recipe.average_weights else None
    shape = (channels(data), data.image_size, data.image_size)

    def logits(count: int) -> torch.Tensor:
        images_nchw = torch.zeros(count, *shape, device=device).contiguous(memory_format=form)
        with torch.autocast(device.type, torch.bfloat16, enabled=trainer.precision == "bf16"):
            scores: torch.Tensor = net(images_nchw)
        return scores.float()

    for _ in range(STEPS):
        labels_n = torch.zeros(images, dtype=torch.int64, device=device)
        nn.functional.cross_entropy(logits(images), labels_n).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        net.eval()
        logits(EVALUATION_BATCH)
    if device.type == "cuda":
        torch.cuda.synchronize()
    del averaged  # it takes memory until here


def try_divisions(config: Config, divisions: Iterable[int]) -> int | None:
    """``first_that_fits`` in a process that is set as the run's will be."""
    prepare_process(config.trainer)
    # cuDNN's search takes workspaces, and its winners keep theirs.
    torch.backends.cudnn.benchmark = searches_convolutions(config.trainer)
    if config.trainer.accelerator == "gpu":
        torch.cuda.set_per_process_memory_fraction(share_of_card())
    return first_that_fits(config, divisions)


def main() -> None:
    """Try the divisions of the command line on the config of the standard input."""
    with contextlib.suppress(OSError):  # the kernel ends this process first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    found = try_divisions(parse(json.load(sys.stdin)), map(int, sys.argv[1:]))
    if found is not None:
        print(FITS, found, flush=True)


if __name__ == "__main__":
    main()
