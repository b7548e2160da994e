"""How a net is computed on this machine: switches that change nothing, or rounding alone."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn

from vgglab.config import TrainerConfig
from vgglab.models.kernels.build import built
from vgglab.models.kernels.lrn import IN_TORCH, Kernel, Numbers, compiled_kernel
from vgglab.models.kernels.lrn_cpp import kernel_in_cpp
from vgglab.models.kernels.packed import packs
from vgglab.models.lrn import LocalResponseNorm
from vgglab.models.vgg import Features

log = logging.getLogger(__name__)


def use_kernels(net: nn.Module, trainer: TrainerConfig) -> dict[str, Any]:
    """Have a net computed as ``trainer`` says; what it came to is returned, for the record.

    Where a kernel cannot be had, PyTorch's own operations stand in, with a line in the log.
    """
    on_gpu = trainer.accelerator == "gpu"
    used: dict[str, Any] = {
        "pool_first": trainer.pool_first,
        "pack_weights": packs(trainer),
    }
    norms = [module for module in net.modules() if isinstance(module, LocalResponseNorm)]
    if norms:
        kernel = lrn_kernel(trainer.lrn_kernel, on_gpu=on_gpu)
        used["lrn_kernel"] = kernel.name
        for norm in norms:
            norm.kernel = kernel
    compiles = trainer.compile == "inductor" or (trainer.compile == "auto" and on_gpu)
    compiles = compiles and _compiler_works("the net", on_gpu=on_gpu)
    used["compile"] = "inductor" if compiles else "none"
    # torch.compile makes loops of its own of what it knows.
    in_cpp = trainer.pool_kernel != "torch" and not (on_gpu or compiles)
    in_cpp = in_cpp and built("max_pool", "max-pooling")
    used["pool_kernel"] = "cpp" if in_cpp else "torch"
    for module in net.modules():
        if isinstance(module, Features):
            module.pools_in_cpp = in_cpp
            module.pool_first = trainer.pool_first
            # Compiled for each shape: an epoch's last step may be smaller, no other differs.
            faster = torch.compile(module.as_it_stands, dynamic=False) if compiles else None
            module.compiled = faster
    return used


def lrn_kernel(name: str, *, on_gpu: bool) -> Kernel:
    """The kernel of that name; ``auto``: the fastest that there is for the device."""
    if name == "auto":
        name = "compiled" if on_gpu else "cpp"
    if name == "cpp":
        return kernel_in_cpp() or IN_TORCH
    if name == "compiled":
        return compiled_kernel() if _compiler_works("LRN", on_gpu=on_gpu) else IN_TORCH
    return IN_TORCH


def _compiler_works(what: str, *, on_gpu: bool) -> bool:
    """Whether torch.compile finds its compiler, tried on a few numbers; else a line in the log."""
    few = torch.ones(1, 8, 2, 2, device="cuda" if on_gpu else "cpu")
    try:
        compiled_kernel().forward(few, Numbers(5, 1e-4, 0.75, 2.0))
    except (ImportError, OSError, RuntimeError) as error:  # no C++ compiler, or no Triton
        reason = str(error).strip().partition("\n")[0]
        log.warning("%s is computed without torch.compile, which fails here: %s", what, reason)
        return False
    return True
