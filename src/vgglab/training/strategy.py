"""How the processes of a run come to one gradient: Lightning's strategy."""

from __future__ import annotations

import inspect
from typing import Any

import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.nn.parallel import DistributedDataParallel

from vgglab.config import TrainerConfig
from vgglab.models.linear import factored_layers
from vgglab.training.torch_internals import leave_out_of_ddp
from vgglab.world import World


class GradientsDDP(DDPStrategy):
    """DDP that sends gradients as the trainer's config says.

    Lightning's ``ddp_comm_hook`` is for GPUs alone, and is ignored on a CPU without a warning.

    Args:
        trainer: says whether gradients are rounded to bf16 before they are sent, and whether those
            of the fully connected layers are sent at all.
        named: Lightning's arguments.
    """

    def __init__(self, trainer: TrainerConfig, **named: Any) -> None:
        super().__init__(**named)
        self._compresses = trainer.compress_gradients == "bf16"
        self._by_factors = trainer.head_gradients == "factors"

    def configure_ddp(self) -> None:
        """Wrap the module."""
        if self._by_factors:
            assert isinstance(self.model, nn.Module)
            take_from_ddp(self.model)
        super().configure_ddp()
        if self._compresses:
            assert isinstance(self.model, DistributedDataParallel)
            self.model.register_comm_hook(None, bf16_compress_hook)


def take_from_ddp(module: nn.Module) -> None:
    """Leave the fully connected layers out of what DDP sums; equal in all processes all the same.

    DDP sends the first process's weights to the others when it starts: drawn on unlike processors,
    they may differ in the last digit. It does not send what it is told to leave out.
    """
    layers = factored_layers(module)
    leave_out_of_ddp(
        module,
        [f"{name}.{own}" for name, layer in layers.items() for own, _ in layer.named_parameters()],
    )
    for layer in layers.values():
        for parameter in layer.parameters():
            dist.broadcast(parameter.detach(), src=0)


def strategy_of(trainer: TrainerConfig, world: World) -> Strategy | str:
    """Lightning's strategy for the processes of a run."""
    if world.is_alone:
        return "auto"
    # Batch norm's buffers are equal already, or shared before they are used, so that sending them
    # is switched off. torch 2.14 has renamed the argument.
    named = inspect.signature(DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in named else "broadcast_buffers"
    switched_off: dict[str, Any] = {buffers: False}
    return GradientsDDP(
        trainer,
        process_group_backend=None,  # the group exists already
        gradient_as_bucket_view=True,  # no second copy of all gradients
        # Every parameter gets a gradient in every step. With micro-batches, of which only the last
        # sends gradients, torch 2.14 fails in an assertion of its own.
        static_graph=trainer.accumulate == 1,
        bucket_cap_mb=trainer.bucket_mib,
        **switched_off,
    )
