"""The machine, its driver, and the versions that compute."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess

import torch
from on_device import say

import vgglab

PACKAGES = ("torchvision", "pytorch-lightning", "torchmetrics", "triton", "numpy", "pandas")
NVIDIA = ("nvidia-nccl-cu13", "nvidia-cublas", "nvidia-cudnn-cu13")


def said(*command: str) -> str:
    """The first lines that a command prints; empty where there is none."""
    if shutil.which(command[0]) is None:
        return "not there"
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return " / ".join((ended.stdout or ended.stderr).strip().splitlines()[:2])


def version(package: str) -> str:
    """Installed version of a package, or that there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def main() -> None:
    """Print the rows.

    Raises:
        SystemExit: a GPU is asked for, and torch sees none.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    on_gpu = parser.parse_args().device == "cuda"
    found = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "cores": len(os.sched_getaffinity(0)),
        "compiler": said("gcc", "--version"),
        "vgglab": vgglab.__file__,
    }
    found |= {name: version(name) for name in (*PACKAGES, *(NVIDIA if on_gpu else ()))}
    for name, value in found.items():
        say(what=name, value=str(value))
    if on_gpu:
        query = (
            "--query-gpu=name,driver_version,memory.total,power.limit,clocks.sm,mig.mode.current"
        )
        say(what="nvidia-smi", value=said("nvidia-smi", query, "--format=csv,noheader"))
        if not torch.cuda.is_available():
            raise SystemExit("torch sees no GPU")
        properties = torch.cuda.get_device_properties(0)
        memory = f"{properties.total_memory / 2**30:.1f} GiB"
        processors = f"{properties.multi_processor_count} multiprocessors"
        say(what="GPU", value=f"{properties.name}, {memory}, {processors}")
        torch.ones(1024, 1024, device="cuda").mm(torch.ones(1024, 1024, device="cuda"))
        free, whole = torch.cuda.mem_get_info()
        own = (whole - free - torch.cuda.memory_reserved()) / 2**20
        say(what="taken beside torch's tensors, by all processes", value=f"{own:.0f} MiB")


if __name__ == "__main__":
    main()
