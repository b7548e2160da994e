"""``micro_batch=auto``: the largest micro-batch that fits, found by trying before a run starts."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Sequence

from vgglab.config import Config, plain
from vgglab.config.parse import ConfigError
from vgglab.memory import limit_bytes
from vgglab.runs import RunDirectory
from vgglab.training.net_cost import net_cost
from vgglab.workflow.evaluation import stored_accumulate

ESTIMATE_SHARE = 0.8
"""Share of the memory that an estimate may fill: it leaves out the kernels' workspaces."""

CUDA_MIB = 700
"""What CUDA and its libraries take of a GPU for each process, besides tensors: 685 were measured on
an H200 with torch 2.11 and CUDA 13 (make gpu-check)."""

Attempt = Callable[[Config, Sequence[int]], tuple[int | None, int | None]]
"""From divisions, the largest micro-batch first, to the one that fits and the last one tried."""


def divisions(config: Config) -> list[int]:
    """Numbers of micro-batches of a step to try: 1, 2, 4 and so on, up to one for each image."""
    most = config.recipe.batch_size // config.processes
    return [*(2**n for n in range(most.bit_length()) if 2**n < most), most]


def with_fitting_micro_batch(config: Config, directory: RunDirectory) -> Config:
    """The config with the number of micro-batches in place of ``auto``; the global batch stays.

    A resumed run keeps its number, because that decides the order of its sums.

    Raises:
        ConfigError: not even one image fits, or batch norm would make another run of it.
    """
    if config.micro_batch != "auto":
        return config
    accumulate = stored_accumulate(directory) or find(config, try_in_child)
    if accumulate is None:
        raise ConfigError(
            "micro_batch=auto: not even one image at a time fits into memory; take a smaller "
            "model.width or data.image_size"
        )
    if accumulate > 1 and config.norm.name == "batch":
        raise ConfigError(
            f"micro_batch=auto: the batch of {config.recipe.batch_size} does not fit into memory, "
            f"trainer.accumulate={accumulate} does; say so yourself: norm=batch sees one "
            "micro-batch at a time, which makes it another run"
        )
    trainer = dataclasses.replace(config.trainer, accumulate=accumulate)
    return dataclasses.replace(config, trainer=trainer, micro_batch=0)


def find(config: Config, attempt: Attempt) -> int | None:
    """The smallest number of micro-batches that fits; goes on after a division that was fatal.

    Raises:
        ConfigError: not even the first division could be tried.
    """
    todo = divisions(config)
    while todo:
        fits, tried = attempt(config, todo)
        if fits is not None:
            return fits
        # Then the failure says nothing about memory.
        if tried is None:
            raise ConfigError(
                "micro_batch=auto: the net could not be tried; set trainer.accumulate"
            )
        todo = todo[todo.index(tried) + 1 :]
    return None


def try_in_child(config: Config, todo: Sequence[int]) -> tuple[int | None, int | None]:
    """Try divisions in a process of its own, which may be killed for its memory.

    Raises:
        ConfigError: it failed for another reason.
    """
    command = [sys.executable, "-m", "vgglab.training.try_step", *map(str, todo)]
    ended = subprocess.run(
        command, input=json.dumps(plain(config)), capture_output=True, text=True, check=False
    )
    words = [line.split() for line in ended.stdout.splitlines()]
    fits = [int(number) for word, number in words if word == "fits"]
    tried = [int(number) for word, number in words if word == "trying"]
    if ended.returncode > 0 and not fits:  # neither killed nor out of memory
        last = ended.stderr.strip().rpartition("\n")[2]
        raise ConfigError(f"micro_batch=auto: {last}; set trainer.accumulate")
    return (fits[-1] if fits else None), (tried[-1] if tried else None)


def advice(config: Config) -> str:
    """Settings for a run that is out of memory, as far as arithmetic can tell."""
    known = limit_bytes(config.trainer.accelerator)
    # Where the estimate says that the failed division fits, it is wrong, and of no use.
    if known is not None and not _should_fit(config, config.trainer.accumulate, known):
        for accumulate in divisions(config):
            if _should_fit(config, accumulate, known):
                return (
                    f"a micro-batch of {_images(config, accumulate)} should fit: "
                    f"trainer.accumulate={accumulate}, or micro_batch=auto, which tries; the batch "
                    "stays as it is"
                )
    return (
        "trainer.accumulate=2 (4, ...) trains the same batch in smaller parts, and "
        "micro_batch=auto finds how many"
    )


def _images(config: Config, accumulate: int) -> int:
    """Images of the largest micro-batch of a device."""
    return -(-config.recipe.batch_size // (config.processes * accumulate))


def _should_fit(config: Config, accumulate: int, known: int) -> bool:
    return step_bytes(config, accumulate) <= ESTIMATE_SHARE * known


def step_bytes(config: Config, accumulate: int) -> int:
    """Estimated memory of a step in so many micro-batches on one device, without workspaces."""
    cost = net_cost(config).memory()
    return cost["weights_training"] + _images(config, accumulate) * cost["image_training"]
