"""Whether all values of many tensors on a CPU are finite, by ``finite.cpp`` or by their sums."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vgglab.config import TrainerConfig
from vgglab.models.kernels.build import has_kernels


def looks_in_cpp(trainer: TrainerConfig) -> bool:
    """Whether a run looks at its gradients by the kernel: it is on a CPU and computes with ours."""
    return trainer.accelerator == "cpu" and trainer.kernels != "torch" and has_kernels()


def are_finite(tensors: Sequence[Tensor], *, in_cpp: bool) -> bool:
    """Whether every value is finite.

    Without the kernel it looks at sums, in a tenth of the time that a maximum takes. A sum that is
    not finite may have overflowed: then it looks at each value.
    """
    if in_cpp:
        return bool(torch.ops.vgglab.are_finite(tensors))
    if torch.stack([tensor.sum() for tensor in tensors]).isfinite().all():
        return True
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
