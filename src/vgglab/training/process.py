"""Settings of a process that trains or tests, before its first tensor: memory, threads, kernels."""

from __future__ import annotations

import os
import warnings

import torch

from vgglab.config import TrainerConfig
from vgglab.training.allocator import use_allocator

WORKSPACE, EQUAL_WORKSPACES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")
"""cuBLAS's environment variable, and the values with which it gives equal bits again and again."""


def prepare_process(trainer: TrainerConfig) -> None:
    """Set what training and tests have in common; before the process has computed on a GPU."""
    use_allocator(trainer)
    torch.set_num_threads(trainer.threads)
    _use_tf32(trainer.accelerator == "gpu" and trainer.precision == "tf32")
    _use_equal_bits(trainer.deterministic)


def _use_tf32(is_on: bool) -> None:
    """Compute products in TF32, or in fp32: by default torch does one or the other by the layer."""
    # Of the two ways to say it, the one that all versions of torch know; mixed, torch raises.
    torch.set_float32_matmul_precision("high" if is_on else "highest")
    torch.backends.cudnn.allow_tf32 = is_on
    # Of torch 2.11's compiler: fp32 was chosen, or is what little of bf16 autocast stays in it.
    warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")


def _use_equal_bits(deterministic: bool) -> None:
    """Have every operation give the same bits again, or raise an error where torch cannot."""
    torch.backends.cudnn.deterministic = deterministic
    if deterministic:
        torch.backends.cudnn.benchmark = False  # its winner depends on what else the GPU does
        if os.environ.get(WORKSPACE) not in EQUAL_WORKSPACES:
            os.environ[WORKSPACE] = EQUAL_WORKSPACES[0]  # read by cuBLAS when it starts
        # Every new tensor would be filled for those that read what they have not written.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if deterministic != torch.are_deterministic_algorithms_enabled():  # the call takes a while
        torch.use_deterministic_algorithms(deterministic)
