"""SGD in one pass over memory where layers compute in bf16 on a CPU, by ``sgd.cpp``.

Autocast rounds every weight in a forward pass, and widens its gradient, rounded as well, in the
backward pass; the optimiser then reads what these have written. Here gradients stay as they come,
and the optimiser writes the rounded weights of the next step when it has each weight at hand. The
bits are the same, which ``check`` sees to.

A net whose layers compute with ``RoundedParameter``s keeps its parameters: they may be set in
place, but not replaced by others (``load_state_dict(assign=True)``), nor set through ``.data``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.autograd.graph import increment_version
from torch.optim.sgd import SGD

MOMENTUM = "momentum_buffer"
"""torch's name of it in the state of a parameter."""


class RoundedParameter:
    """A parameter's values in bf16; their gradient, in bf16, is the parameter's."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = parameter
        # Else autograd would widen what it adds up in ``grad``. Known to torch since 2.10.
        parameter.grad_dtype = torch.bfloat16
        self.values = torch.empty_like(parameter, dtype=torch.bfloat16, requires_grad=False)
        self._version = -1
        """The parameter's when it was rounded; another one means that it was set since, as from a
        checkpoint."""

    def __call__(self) -> Tensor:
        """Values for a forward pass."""
        if self._version != self.parameter._version:
            self.values.copy_(self.parameter.detach())
            self.mark_current()
        rounded: Tensor = _Rounded.apply(self.parameter, self.values)
        return rounded

    def mark_current(self) -> None:
        """Note that the values are those of the parameter as it is now."""
        self._version = self.parameter._version


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, parameter: Tensor, values: Tensor) -> Tensor:
        return values.detach()  # a view by size would lose the order of filters of one channel

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class OnePassSGD(SGD):
    """torch's SGD with momentum and its state, updated by the kernel."""

    def __init__(self, optimizer: SGD, rounded: Iterable[RoundedParameter]) -> None:
        """
        Args:
            optimizer: the same one of torch, fused, before its first step.
            rounded: parameters of it whose gradients are in bf16.
        """
        super().__init__(optimizer.param_groups, **optimizer.defaults)
        self._rounded = {kept.parameter: kept for kept in rounded}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient.

        ``closure``: makes the gradients, and returns the loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            found = [p for p in group["params"] if p.grad is not None]
            begun = [MOMENTUM in self.state[p] for p in found]
            for has_begun in {*begun}:
                chosen = [p for p, its in zip(found, begun, strict=True) if its == has_begun]
                self._update(chosen, group, is_first=not has_begun)
        return loss

    def _update(
        self, parameters: Sequence[nn.Parameter], group: Mapping[str, Any], *, is_first: bool
    ) -> None:
        """Update some parameters of a group.

        Args:
            parameters: with a gradient.
            group: has the rate and the other numbers.
            is_first: whether they have no momentum yet.
        """
        for parameter in parameters:
            state = self.state[parameter]
            old = torch.empty_like(parameter) if is_first else state[MOMENTUM]
            state[MOMENTUM] = _laid_out_as(parameter, old)
        kept = [self._rounded.get(parameter) for parameter in parameters]
        torch.ops.vgglab.sgd_(
            parameters,
            [self.state[p][MOMENTUM] for p in parameters],
            [_laid_out_as(p, p.grad) for p in parameters if p.grad is not None],
            [one.values if one else None for one in kept],
            *(group["lr"], group["momentum"], group["weight_decay"], group["nesterov"], is_first),
        )
        rounded = [one for one in kept if one]
        increment_version([*parameters, *(one.values for one in rounded)])
        for one in rounded:
            one.mark_current()


def _laid_out_as(parameter: Tensor, values: Tensor) -> Tensor:
    """Values in a parameter's order in memory: a checkpoint's may be in another."""
    if values.stride() == parameter.stride():
        return values
    return torch.empty_like(parameter, dtype=values.dtype, requires_grad=False).copy_(values)


def check(device: str) -> None:
    """Compare a few steps with torch's fused kernel, of which compilers may fuse other sums.

    Args:
        device: where it computes; the kernel does so on a CPU alone.

    Raises:
        RuntimeError: other bits came out, or torch cannot keep gradients in bf16.
    """
    if not hasattr(Tensor, "grad_dtype"):
        raise RuntimeError("torch before 2.10 keeps no gradients in bf16")
    draw = torch.Generator().manual_seed(0)
    for decay, nesterov in ((0.0, False), (5e-4, False), (5e-4, True)):
        first = torch.randn(4101, generator=draw, dtype=torch.float32)
        theirs = nn.Parameter(first.to(device))
        ours = nn.Parameter(theirs.detach().clone())
        by_torch, plain = (
            SGD([p], 0.01, momentum=0.9, weight_decay=decay, nesterov=nesterov, fused=True)
            for p in (theirs, ours)
        )
        kept = RoundedParameter(ours)
        by_kernel = OnePassSGD(plain, [kept])
        for _ in range(3):
            ours.grad = torch.randn(4101, generator=draw).to(device, torch.bfloat16)
            theirs.grad = ours.grad.float()
            by_torch.step()
            by_kernel.step()
        if not (torch.equal(ours, theirs) and torch.equal(kept.values, theirs.bfloat16())):
            raise RuntimeError("other bits than torch's")
