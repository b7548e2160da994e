"""How large the gradient of each block is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn
from torch.nn.utils import get_total_norm


class GradientNorms(pl.Callback):
    """L2 norm of each block's gradient, as the optimiser sees it, at the steps that are recorded.

    It reads gradients and draws nothing: a run with it has the same weights as one without.
    """

    def __init__(self, blocks: Mapping[str, Sequence[nn.Parameter]], every: int) -> None:
        self._blocks, self._every = blocks, every
        self._norms: dict[str, Tensor] = {}

    def on_before_optimizer_step(self, trainer: pl.Trainer, *_: Any) -> None:
        if (trainer.global_step + 1) % self._every == 0:
            self._norms = {
                name: get_total_norm([p.grad for p in parameters if p.grad is not None])
                for name, parameters in self._blocks.items()
            }

    def values(self) -> dict[str, float]:
        """``gradient_norm/<block>`` of the latest recorded step."""
        return {f"gradient_norm/{name}": float(norm) for name, norm in self._norms.items()}
