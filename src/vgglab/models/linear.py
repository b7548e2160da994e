"""Fully connected layers, and their gradient over all processes from its two factors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vgglab.models.kernels.sgd import RoundedParameter

GATHER = "all_gather_single" if hasattr(dist, "all_gather_single") else "all_gather_into_tensor"
"""torch 2.14 has renamed it."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """How the processes exchange the factors of a micro-batch."""

    rows: int
    """Images of the largest process's part; all send so many rows, the last of them zero."""
    in_bf16: bool = False
    """Round the factors to bf16 before they are sent."""


class Linear(nn.Linear):
    """``nn.Linear`` whose gradient can be that over the images of all processes.

    The gradient of its weights (out, in) is the product of the gradients of its outputs (N, out)
    and its inputs (N, in). Where the batch is small and the layer wide, these two factors are far
    fewer values than their product: the processes gather both, and each multiplies those of all
    images (Xie et al. 2015, arXiv:1511.08486; Zhang et al. 2017, arXiv:1706.03292). The sum is that
    of one device with the whole batch, in the precision that this would have computed it in.
    """

    exchange: Exchange | None = None
    """None: the gradient is of this process's images alone; see ``exchanged_factors``."""
    kept: Sequence[RoundedParameter] = ()
    """Weights and biases in bf16, where the optimiser keeps them for training."""

    @property
    def is_trained(self) -> bool:
        """Whether all its parameters have a gradient, as an exchange of factors gives them one."""
        return all(parameter.requires_grad for parameter in self.parameters())

    def forward(self, input: Tensor) -> Tensor:
        """Compute outputs (N, out) of inputs (N, in)."""
        has_gradient = self.training and torch.is_grad_enabled()
        if self.kept and has_gradient and torch.is_autocast_enabled(input.device.type):
            weight_oi, bias_o = (parameter() for parameter in self.kept)
            return nn.functional.linear(input, weight_oi, bias_o)
        if self.exchange is None or not self.is_trained:
            return super().forward(input)
        return _with_factors(self, input, self.exchange)


def _with_factors(layer: Linear, inputs_ni: Tensor, exchange: Exchange) -> Tensor:
    """Compute outputs (N, out) and begin to gather the inputs.

    Args:
        layer: its gradient is to be that of all processes.
        inputs_ni: of this process's images, (N, in).
        exchange: the same in all processes.
    """
    # Of detached parameters autograd makes no gradient of its own, and it makes that of the inputs.
    outputs_no = nn.functional.linear(inputs_ni, layer.weight.detach(), layer.bias.detach())
    # As autocast has rounded them.
    inputs_ni = inputs_ni.detach().to(outputs_no.dtype)
    with_gradient: Tensor = _GradientOfAll.apply(
        outputs_no, _Gathered(inputs_ni, exchange), exchange, layer.weight, layer.bias
    )
    return with_gradient


class _Gathered:
    """Rows (N, F) of every process on their way, those of the first process first.

    The order in which they are sent is the same in all processes, and so is their place among what
    DDP sends in the same group: a layer needs the outputs of the one before, its gradient that of
    the one behind, and the convolutions' gradients those of the first.
    """

    def __init__(self, values_nf: Tensor, exchange: Exchange) -> None:
        missing = exchange.rows - len(values_nf)
        if missing < 0:
            raise ValueError(
                f"{len(values_nf)} images: the largest part of the batch has {exchange.rows}"
            )
        self._dtype = values_nf.dtype
        sent_nf = values_nf.bfloat16() if exchange.in_bf16 else values_nf
        # Kept until all have it: the collective may read it after this call.
        self._sent = nn.functional.pad(sent_nf, (0, 0, 0, missing)).contiguous()
        shape = (dist.get_world_size() * exchange.rows, values_nf.shape[1])
        self._all = self._sent.new_empty(shape)
        self._work = getattr(dist, GATHER)(self._all, self._sent, async_op=True)

    def wait(self) -> Tensor:
        """The rows of all processes, (processes x rows, F)."""
        self._work.wait()
        return self._all.to(self._dtype)


class _GradientOfAll(torch.autograd.Function):
    """Outputs as they are; backward gives parameters the mean over processes of their gradients."""

    @staticmethod
    def forward(
        context: Any,
        outputs_no: Tensor,
        inputs: _Gathered,
        exchange: Exchange,
        weight: Tensor,
        bias: Tensor,
    ) -> Tensor:
        context.inputs, context.exchange = inputs, exchange
        context.dtype = weight.dtype
        context.mark_dirty(outputs_no)  # else they were a view, and ReLU could not work in place
        return outputs_no

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradients_no = _Gathered(gradients[0], context.exchange).wait()
        inputs_ni = context.inputs.wait()
        # DDP's convention for all other parameters: the mean over processes.
        share = 1 / dist.get_world_size()
        nothing = inputs_ni.new_empty(1)  # beta=0: not read
        weight_oi = torch.addmm(nothing, gradients_no.t(), inputs_ni, beta=0, alpha=share)
        bias_o = gradients_no.sum(0, dtype=context.dtype) * share
        return gradients[0], None, None, weight_oi.to(context.dtype), bias_o


def factored_layers(module: nn.Module) -> dict[str, Linear]:
    """The layers of a net whose gradient can come from factors, by their names in it."""
    return {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, Linear) and layer.is_trained
    }


def exchanges_factors(head: nn.Sequential) -> bool:
    """Whether a layer of it exchanges factors in the forward pass that is about to begin."""
    return any(isinstance(layer, Linear) and layer.exchange is not None for layer in head)


@contextlib.contextmanager
def exchanged_factors(layers: Sequence[Linear], exchange: Exchange) -> Iterator[None]:
    """Within the context, a forward pass of the layers has the gradient of all processes.

    All processes compute the same layers in it, and their gradients.
    """
    for layer in layers:
        layer.exchange = exchange
    try:
        yield
    finally:
        for layer in layers:
            layer.exchange = None
