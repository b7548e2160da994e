"""A run's first weights, from the checkpoint of the run that is its parent."""

from __future__ import annotations

from pathlib import Path

from vgglab.config import Config
from vgglab.models.transfer import copy_all, copy_from_a
from vgglab.models.vgg import VGG
from vgglab.training.checkpoints import net_state


def start_from(net: VGG, config: Config, checkpoint: Path) -> None:
    """Give the net of a run the weights that its init names, from its parent's checkpoint."""
    state = net_state(checkpoint)
    if config.init.name == "pretrained_a":
        copy_from_a(net, config.model, config.norm, state)
    else:
        copy_all(net, state)
