"""The norm of each block's gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn
from torch.nn.utils import get_total_norm


class GradientNorms(pl.Callback):
    """Measures the L2 norm of each block's gradient at the steps that are recorded.

    It reads gradients and draws no random numbers: it changes no weights.
    """

    def __init__(self, blocks: Mapping[str, Sequence[nn.Parameter]], every: int) -> None:
        self._blocks, self._every = blocks, every
        self._norms: dict[str, Tensor] = {}

    def on_before_optimizer_step(self, trainer: pl.Trainer, *_: Any) -> None:
        if (trainer.global_step + 1) % self._every == 0:
            self._norms = {
                name: get_total_norm([p.grad.float() for p in parameters if p.grad is not None])
                for name, parameters in self._blocks.items()
            }

    def values(self) -> dict[str, float]:
        """``gradient_norm/<block>`` of the latest recorded step."""
        return {f"gradient_norm/{name}": float(norm) for name, norm in self._norms.items()}
