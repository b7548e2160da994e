"""How a net is computed on this machine: switches that change nothing, or rounding alone."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vgglab.config import Config, TrainerConfig
from vgglab.config.infrastructure import LrnKernelName
from vgglab.models.batch_norm import BatchNorm2d
from vgglab.models.convolution import Conv2d
from vgglab.models.kernels import conv_relu, packed, sgd
from vgglab.models.kernels.build import has_kernels
from vgglab.models.kernels.lrn import IN_CPP, IN_TORCH, Kernel, Numbers, compiled_kernel
from vgglab.models.kernels.lrn_op import check, triton_kernel
from vgglab.models.kernels.sgd import RoundedParameter
from vgglab.models.linear import Linear
from vgglab.models.lrn import LocalResponseNorm
from vgglab.models.vgg import VGG, Features

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """The kernels and switches that a net is computed with on this machine."""

    pool_first: bool
    pack_weights: bool
    lrn_kernel: str | None
    """None where the net has no local response normalisation."""
    compile: Literal["inductor", "graphs", "none"]
    pool_kernel: Literal["cpp", "torch"]
    norm_kernel: Literal["cpp", "torch"] | None
    """None where the net has no batch norm."""
    conv_kernel: Literal["cudnn", "matmul", "torch"]

    def as_dict(self) -> dict[str, Any]:
        """The fields that apply to the net, for ``result.json``."""
        return {name: value for name, value in vars(self).items() if value is not None}


COMPILE_STEPS = 2_000
"""Fewest steps of a run for which ``compile=auto`` compiles on a GPU: a minute must be won back."""


def use_kernels(net: nn.Module, trainer: TrainerConfig, steps: int = COMPILE_STEPS) -> Kernels:
    """Have a net computed as ``trainer`` says, and return the kernels in use.

    Where a kernel cannot be had, PyTorch's own operations stand in, with a line in the log.

    Args:
        net: is changed.
        trainer: the switches, resolved for this machine.
        steps: of the whole run, from its first epoch; 0: the net is not trained.
    """
    trainer = _switches(trainer)
    on_gpu = trainer.accelerator == "gpu"
    norms = [module for module in net.modules() if isinstance(module, LocalResponseNorm)]
    kernel = lrn_kernel(trainer.lrn_kernel, on_gpu=on_gpu) if norms else None
    for norm in norms:
        norm.kernel = kernel or IN_TORCH
    by_itself = on_gpu and not trainer.deterministic and steps >= COMPILE_STEPS
    compiles = trainer.compile in ("inductor", "graphs") or (
        trainer.compile == "auto" and by_itself
    )
    compiles = compiles and _compiler_works("the net", on_gpu=on_gpu)
    in_graphs = compiles and trainer.compile == "graphs" and _can_be_graphs(trainer)
    # torch.compile makes loops of its own of what it knows.
    by_hand = not (on_gpu or compiles)
    in_cpp = by_hand and trainer.pool_kernel != "torch" and has_kernels()
    batch_norms = [module for module in net.modules() if isinstance(module, BatchNorm2d)]
    norms_in_cpp = by_hand and trainer.norm_kernel != "torch" and bool(batch_norms)
    norms_in_cpp = norms_in_cpp and has_kernels()
    for batch_norm in batch_norms:
        batch_norm.in_cpp = norms_in_cpp
    with_relu = convolutions_with_relu(net) if on_gpu else []
    takes_relu = bool(with_relu) and _convolutions_take_relu(trainer)
    for convolution in with_relu:
        convolution.takes_relu = takes_relu
    pool_first = trainer.pool_first and not takes_relu
    in_products = by_hand and trainer.conv_kernel in ("auto", "matmul")
    for module in net.modules():
        if isinstance(module, Conv2d):
            module.by_matmul = in_products
        if isinstance(module, Features):
            module.pools_in_cpp = in_cpp
            module.pool_first = pool_first
        if isinstance(module, VGG):
            module.compiled = _compiled(module, in_graphs=in_graphs) if compiles else None
            module.uncompiled_head = uncompiled_head(module) if compiles else None
    return Kernels(
        pool_first=pool_first,
        pack_weights=uses_packed_weights(trainer),
        lrn_kernel=kernel.name if kernel else None,
        compile="graphs" if in_graphs else "inductor" if compiles else "none",
        pool_kernel="cpp" if in_cpp else "torch",
        norm_kernel=("cpp" if norms_in_cpp else "torch") if batch_norms else None,
        conv_kernel="cudnn" if takes_relu else "matmul" if in_products else "torch",
    )


def looks_in_cpp(trainer: TrainerConfig) -> bool:
    """Whether gradients are looked at by the kernel in C++."""
    return trainer.accelerator == "cpu" and trainer.kernels != "torch" and has_kernels()


def updates_in_cpp(config: Config) -> bool:
    """Whether ``sgd.py`` keeps the weights that layers round to bf16, and updates them.

    Gradients are then in bf16 from the backward pass to the update. They are, to the bit, what
    autocast would widen, where one backward pass gives all of a step and nothing is made of them in
    between.
    """
    trainer, recipe = _switches(config.trainer), config.recipe
    is_wanted = trainer.sgd_kernel != "torch" and trainer.fused_optimizer
    rounds = trainer.precision == "bf16" and trainer.accelerator == "cpu"
    is_sgd = recipe.optimizer in ("sgd", "nesterov") and recipe.momentum > 0
    is_whole = config.parts == 1 and not recipe.clip_gradients
    # torch.compile rounds by loops of its own; Lightning's averaging sets weights unnoticed.
    by_hand = trainer.compile in ("auto", "none") and not recipe.average_weights
    wanted = is_wanted and rounds and is_sgd and is_whole and by_hand
    return wanted and has_kernels() and _update_works()


def keep_rounded(net: nn.Module) -> list[RoundedParameter]:
    """Have the layers of a net compute with rounded parameters, which are returned."""
    found: list[RoundedParameter] = []
    for layer in net.modules():
        parameters = list(layer.parameters(recurse=False))
        if isinstance(layer, Conv2d | Linear) and all(p.requires_grad for p in parameters):
            layer.kept = [RoundedParameter(parameter) for parameter in parameters]
            found += layer.kept
    return found


def convolutions_with_relu(net: nn.Module) -> list[Conv2d]:
    """The convolutions that a ReLU follows at once, with nothing added or normalised between."""
    return [
        step
        for module in net.modules()
        if isinstance(module, Features)
        for step, after in itertools.pairwise(module.steps)
        if isinstance(step, Conv2d) and isinstance(after, nn.ReLU)
    ]


def _convolutions_take_relu(trainer: TrainerConfig) -> bool:
    """Whether a convolution and its ReLU are one kernel on a GPU; not one of a fixed order."""
    is_wanted = trainer.conv_kernel == "cudnn" and not trainer.deterministic
    return is_wanted and trainer.precision == "bf16" and _cudnn_works("cuda")


def _can_be_graphs(trainer: TrainerConfig) -> bool:
    """Whether a step's gradients may stay in a graph's own memory, which the next step overwrites.

    Not where several micro-batches are summed up in them, or other processes' are sent into them.
    """
    alone = not (dist.is_available() and dist.is_initialized())
    return trainer.accelerator == "gpu" and trainer.accumulate == 1 and alone


def _compiled(net: VGG, *, in_graphs: bool) -> Callable[[Tensor], Tensor]:
    # Compiled for each shape: an epoch's last step may be smaller, no other differs.
    if not in_graphs:
        return torch.compile(net.eager, dynamic=False)
    recorded = torch.compile(net.eager, dynamic=False, mode="reduce-overhead")

    def replayed(images_nchw: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        return recorded(images_nchw)

    return replayed


def uncompiled_head(net: VGG) -> Callable[[Tensor], Tensor]:
    """A net's fully connected layers, computed eagerly also where the net is compiled."""

    def head(values_nf: Tensor) -> Tensor:
        logits_nk: Tensor = net.classifier(values_nf)
        return logits_nk

    eager: Callable[[Tensor], Tensor] = torch.compiler.disable(head)
    return eager


def _switches(trainer: TrainerConfig) -> TrainerConfig:
    """The trainer with its fine switches as ``trainer.kernels`` leaves them."""
    match trainer.kernels:
        case "auto":
            return trainer
        case "torch":
            return dataclasses.replace(
                trainer,
                lrn_kernel="torch",
                pool_kernel="torch",
                norm_kernel="torch",
                conv_kernel="torch",
                sgd_kernel="torch",
                pool_first=False,
                pack_weights=False,
                compile="none",
            )
        case other:
            assert_never(other)


def uses_packed_weights(trainer: TrainerConfig) -> bool:
    """Whether tests use packed weights: they are switched on, in bf16, on a CPU with oneDNN."""
    return (
        _switches(trainer).pack_weights
        and trainer.precision == "bf16"
        and trainer.accelerator == "cpu"
        and bool(torch.backends.mkldnn.is_available())
        and packing_works()
    )


def packing_works() -> bool:
    """Whether this processor's oneDNN computes with packed weights; else a line in the log."""
    return _passes(packed.check, "cpu", "tests round weights for each batch, as packing fails here")


def lrn_kernel(name: LrnKernelName, *, on_gpu: bool) -> Kernel:
    """The kernel of that name, or torch's where it cannot be had, with a line in the log.

    ``auto`` is the fastest that there is for the device. On a GPU without Triton's kernel it is
    torch.compile's.
    """
    match name:
        case "auto":
            return lrn_kernel("triton" if on_gpu else "cpp", on_gpu=on_gpu)
        case "torch":
            return IN_TORCH
        case "compiled":
            return compiled_kernel() if _compiler_works("LRN", on_gpu=on_gpu) else IN_TORCH
        case "triton":
            if _triton_works("cuda" if on_gpu else "cpu"):
                return triton_kernel(otherwise=compiled_kernel())
            return lrn_kernel("compiled" if on_gpu else "torch", on_gpu=on_gpu)
        case "cpp":
            return IN_CPP if has_kernels() else IN_TORCH
        case other:
            assert_never(other)


def _update_works() -> bool:
    return _passes(sgd.check, "cpu", "torch updates weights, as the kernel fails here")


def _triton_works(device: str) -> bool:
    return _passes(check, device, "LRN is computed without its kernel in Triton, which fails here")


def _cudnn_works(device: str) -> bool:
    return _passes(
        conv_relu.check, device, "convolution and ReLU are two kernels, as one fails here"
    )


@functools.cache
def _passes(check: Callable[[str], None], device: str, otherwise: str) -> bool:
    """Whether a kernel computes there what torch does; else a line in the log.

    Args:
        check: raises where it does not.
        device: ``cpu`` or ``cuda``.
        otherwise: what the line says before the reason.
    """
    try:
        check(device)
    except Exception as error:  # it cannot be had: no Triton, no cuDNN; or an error of its own
        log.warning("%s: %s", otherwise, str(error).strip().partition("\n")[0])
        return False
    return True


def _compiler_works(purpose: str, *, on_gpu: bool) -> bool:
    """Whether torch.compile finds its compiler, tried on a few numbers; else a line in the log."""
    few = torch.ones(1, 8, 2, 2, device="cuda" if on_gpu else "cpu")
    try:
        compiled_kernel().forward(few, Numbers(5, 1e-4, 0.75, 2.0))
    except (ImportError, OSError, RuntimeError) as error:  # no C++ compiler, or no Triton
        reason = str(error).strip().partition("\n")[0]
        log.warning("%s is computed without torch.compile, which fails here: %s", purpose, reason)
        return False
    return True
