"""Private attributes of torch that nothing public replaces. Last checked with 2.14.1."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def leave_out_of_ddp(module: nn.Module, names: Iterable[str]) -> None:
    """Have DDP neither broadcast nor sum some of a module's parameters.

    The public ``delay_all_reduce_named_params`` leaves parameters out too, but then sums them up
    all the same, later. The request for a public way is torch's issue 43690, open since 2020.

    Args:
        module: to be wrapped by DDP afterwards.
        names: of the parameters.

    Raises:
        RuntimeError: this release of torch has no such method.
    """
    method = getattr(DistributedDataParallel, "_set_params_and_buffers_to_ignore_for_model", None)
    if method is None:
        raise RuntimeError(
            f"torch {torch.__version__} has no DistributedDataParallel."
            "_set_params_and_buffers_to_ignore_for_model: use trainer.head_gradients=sum"
        )
    method(module, list(names))
