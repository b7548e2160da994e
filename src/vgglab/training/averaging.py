"""Averaged weights: what is validated, kept and tested is an exponential mean over the steps."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

_NET = "net."
CURRENT = "current_net"
"""Place in a checkpoint of the weights that the next step starts from."""
COUNT = "averaged_steps"


class AveragedNet(EMAWeightAveraging):
    """Lightning's averaging, of the net alone: its own averages the meters' sums as well.

    Batch norm's running moments are averaged with the weights. A checkpoint's ``state_dict`` has
    the averaged net, as the tests read it; in one to resume from, the net that training goes on
    with stands beside it.

    Args:
        decay: share of the mean that a step leaves as it was.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(decay=decay)
        self._decay = decay

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start the mean at the net's first weights.

        Args:
            trainer: Lightning's.
            pl_module: the classifier.
            stage: ``fit``; there is no mean in any other.
        """
        if stage == "fit":
            self._average_model = AveragedModel(
                _net(pl_module),
                # Lightning moves the net there only after this.
                device=trainer.strategy.root_device,
                avg_fn=get_ema_avg_fn(self._decay),
                use_buffers=True,
            )

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Take a step's weights into the mean.

        Args:
            trainer: Lightning's.
            pl_module: the classifier.
            outputs: of the micro-batch; not used.
            batch: the micro-batch; not used.
            batch_idx: its index within the epoch, from 0.
        """
        super().on_train_batch_end(trainer, _net(pl_module), outputs, batch, batch_idx)

    def _swap_models(self, pl_module: pl.LightningModule) -> None:
        super()._swap_models(_net(pl_module))

    def _copy_average_to_current(self, pl_module: pl.LightningModule) -> None:
        super()._copy_average_to_current(_net(pl_module))

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the net that training goes on with; ``put_into`` follows.

        Lightning does not call it for ``best.ckpt``, which holds weights alone.

        Args:
            trainer: Lightning's.
            pl_module: the classifier.
            checkpoint: about to be written; it is changed.
        """
        assert self._average_model is not None
        state = checkpoint["state_dict"]
        checkpoint[CURRENT] = {name: v for name, v in state.items() if name.startswith(_NET)}
        checkpoint[COUNT] = int(self._average_model.n_averaged)

    def put_into(self, checkpoint: dict[str, Any]) -> None:
        """Put the averaged net in the place of the net; the classifier does, in any checkpoint."""
        assert self._average_model is not None
        averaged = self._average_model.module.state_dict()
        checkpoint["state_dict"] |= {_NET + name: value for name, value in averaged.items()}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take up the mean and the net that training goes on with.

        Args:
            trainer: Lightning's.
            pl_module: the classifier, with the averaged net's weights until now.
            checkpoint: as ``on_save_checkpoint`` and ``put_into`` left it.
        """
        assert self._average_model is not None
        state = checkpoint["state_dict"]
        averaged = {
            name.removeprefix(_NET): v for name, v in state.items() if name.startswith(_NET)
        }
        self._average_model.module.load_state_dict(averaged)
        self._average_model.n_averaged.fill_(checkpoint[COUNT])
        pl_module.load_state_dict(checkpoint[CURRENT], strict=False)


def _net(module: pl.LightningModule) -> Any:
    """What is averaged; Lightning takes it where it expects the whole module."""
    return module.net
