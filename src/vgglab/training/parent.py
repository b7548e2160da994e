"""A run's first weights, from the checkpoint of the run that is its parent."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vgglab.config import Config
from vgglab.models.transfer import copy_all, copy_from_a
from vgglab.models.vgg import VGG

_NET = "net."
"""Prefix of the net's weights in the checkpoint of a ``Classifier``."""


def start_from(net: VGG, config: Config, checkpoint: Path) -> None:
    """Give the net of a run the weights that its init names, from its parent's checkpoint."""
    stored: dict[str, Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)[
        "state_dict"
    ]
    state = {key.removeprefix(_NET): value for key, value in stored.items() if key.startswith(_NET)}
    if config.init.name == "pretrained_a":
        copy_from_a(net, config.model, config.norm, state)
    else:
        copy_all(net, state)
