"""Gradients from factors that the processes exchange: are the weights still equal in all?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from vgglab.models.linear import Linear
from vgglab.training.distributed import ProcessGroup


class EqualHeads(pl.Callback):
    """Compares the layers' weights over all processes before each checkpoint, to the bit.

    A sum over processes is one result, sent to all. A product of factors is computed by each for
    itself: on unlike processors it may be rounded in another way, and the weights would come apart
    unnoticed.
    """

    def __init__(self, layers: Sequence[Linear], group: ProcessGroup) -> None:
        self._layers, self._group = layers, group

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Compare them, so that nothing else is written.

        Args:
            trainer: Lightning's.
            module: the classifier.
            checkpoint: about to be written.

        Raises:
            RuntimeError: they differ.
        """
        ours = checksum([p for layer in self._layers for p in layer.parameters()])
        if self._group.largest(ours) != -self._group.largest(-ours):
            raise RuntimeError(
                "trainer.head_gradients=factors: the processes' fully connected layers are no "
                "longer equal: their processors, or numbers of threads, do not round alike; use "
                "trainer.head_gradients=sum"
            )


def checksum(tensors: Sequence[Tensor]) -> int:
    """A number that changes with any bit of the tensors, and with the place of a row."""
    total = 0
    for tensor in tensors:
        rows_n = tensor.detach().view(torch.int32).reshape(len(tensor), -1).sum(1)
        places_n = torch.arange(1, len(tensor) + 1, device=tensor.device)
        total = 31 * total + int((rows_n * places_n).sum())
    return total % 2**62
