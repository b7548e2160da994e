"""``micro_batch=auto``: as many images at a time as fit, by trying before the run starts."""

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

ARITHMETIC = 0.8
"""Share of the memory that the reckoning may fill: it leaves out the kernels' workspaces."""

Try = Callable[[Config, Sequence[int]], tuple[int | None, int | None]]
"""From divisions, the largest part first, to the one that fits and the last that was tried."""


def divisions(config: Config) -> list[int]:
    """Micro-batches that a step can be made of: 1, 2, 4 and so on, down to one image each."""
    most = config.recipe.batch_size // config.processes
    return [*(2**n for n in range(most.bit_length()) if 2**n < most), most]


def with_fitting_micro_batch(config: Config, directory: RunDirectory) -> Config:
    """The config with the number of micro-batches in place of ``auto``; the global batch stays.

    A run that goes on keeps the number that it began with: its sums are in that order.

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


def find(config: Config, attempt: Try) -> int | None:
    """The smallest number of micro-batches that fit; a try that dies goes on after what killed
    it."""
    todo = divisions(config)
    while todo:
        fits, tried = attempt(config, todo)
        if fits is not None:
            return fits
        # One that could not even begin says nothing about memory.
        if tried is None:
            raise ConfigError(
                "micro_batch=auto: the net could not be tried; set trainer.accumulate"
            )
        todo = todo[todo.index(tried) + 1 :]
    return None


def try_in_child(config: Config, todo: Sequence[int]) -> tuple[int | None, int | None]:
    """Try them in a process of its own, which may die of it."""
    command = [sys.executable, "-m", "vgglab.training.try_step", *map(str, todo)]
    ended = subprocess.run(
        command, input=json.dumps(plain(config)), capture_output=True, text=True, check=False
    )
    words = [line.split() for line in ended.stdout.splitlines()]
    fits = [int(number) for word, number in words if word == "fits"]
    tried = [int(number) for word, number in words if word == "trying"]
    if ended.returncode > 0 and not fits:  # not killed, and not for want of memory
        last = ended.stderr.strip().rpartition("\n")[2]
        raise ConfigError(f"micro_batch=auto: {last}; set trainer.accumulate")
    return (fits[-1] if fits else None), (tried[-1] if tried else None)


def advice(config: Config) -> str:
    """What a run that is out of memory should be given, as far as arithmetic can tell."""
    known = limit_bytes(config.trainer.accelerator)
    # Where it says that what did not fit does, it is not to be believed of anything else.
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
    """Of the largest micro-batch of a device."""
    return -(-config.recipe.batch_size // (config.processes * accumulate))


def _should_fit(config: Config, accumulate: int, known: int) -> bool:
    cost = net_cost(config).memory()
    images = _images(config, accumulate)
    return cost["weights_training"] + images * cost["image_training"] <= ARITHMETIC * known
