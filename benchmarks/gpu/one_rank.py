"""One process through the path of several: DDP, its process group, agreement, shared meters.

    python -m gpu.one_rank FOLDER --device cuda

NCCL carries what is on a GPU, gloo the rest. The only thing that is put on is that this process
does not think itself alone.
"""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path

import torch
from on_device import say, trainer_of

from vgglab.training.imports import import_lightning

import_lightning()

import torch.distributed as dist
from torch._dynamo.utils import counters

from vgglab.config.parse import parse
from vgglab.runs import RunDirectory, Status
from vgglab.training.distributed import process_group
from vgglab.training.experiment import run_experiment
from vgglab.workflow.resolve import resolve
from vgglab.world import World, world_of


def world_of_one() -> World:
    """A process that torchrun might have started, alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "NCCL_SOCKET_IFNAME": "lo",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    setattr(World, "is_alone", False)  # noqa: B010  # a property, which a type checker minds
    world = world_of(os.environ)
    assert world is not None
    return world


def main() -> None:
    """Train a small run with batch norm, and print what it says of itself."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    accelerator = "gpu" if options.device == "cuda" else "cpu"
    compiled = {} if options.small else {"compile": "inductor"}
    world = world_of_one()
    config = resolve(
        parse(
            {
                "model": {"name": "a", "width": 1 / 16 if options.small else 0.125},
                "norm": {"name": "batch"},
                "data": {"name": "digits", "classes": 6, "test_fraction": 0.1},
                "recipe": {"epochs": 1, "batch_size": 128, "learning_rate": 0.02},
                "trainer": trainer_of(options.device) | compiled,
                "tracking": {"mode": "off"},
                "paths": {"runs": str(options.folder), "data": str(options.folder / "data")},
            }
        )
    )
    directory = RunDirectory(options.folder / "run")
    directory.path.mkdir(parents=True)
    with process_group(world, accelerator) as group:
        device = torch.device(options.device)
        told = torch.ones(4, device=device)
        dist.all_reduce(told)
        backends = str(dist.get_backend_config())
        result = run_experiment(config, directory, Status(), [], group)
    broken = sum(counters["graph_break"].values())
    say(
        backends=backends,
        sum_of_one=told.sum().item(),
        top1_error=result["errors"]["center"]["top1_error"],
        compile=result["hardware"]["compile"],
        graph_breaks=broken,
        step_ms=round(result["speed"]["step_ms"] or 0, 2),
        peak_mib=round(result["speed"]["peak_memory_mib"] or 0),
    )
    for reason, count in counters["graph_break"].most_common(5):
        say(graph_break=str(reason).partition("\n")[0][:160], times=count)


if __name__ == "__main__":
    main()
