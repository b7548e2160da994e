"""The net of a run: as it begins, and as its checkpoint has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vgglab.config import Config
from vgglab.data.sources.registry import channels
from vgglab.models.batch_norm import synchronised
from vgglab.models.build import build
from vgglab.models.kernels.select import use_kernels
from vgglab.models.transfer import copy_all, copy_from_a
from vgglab.models.vgg import VGG
from vgglab.training.checkpoints import net_state
from vgglab.world import World


def first_net(config: Config, world: World, parent_checkpoint: Path | None) -> nn.Module:
    """The net with its first weights, and batch norm that spans the processes where it should.

    Args:
        config: the run's config.
        world: the processes that train it.
        parent_checkpoint: where the first weights come from; None: they are drawn.

    Raises:
        DataError: the parent's checkpoint is damaged.
    """
    net = build(
        config.model,
        config.norm,
        config.init,
        classes=config.data.classes,
        image_size=config.data.image_size,
        in_channels=channels(config.data),
        seed=config.seed,
    )
    if parent_checkpoint is not None:
        start_from(net, config, parent_checkpoint)
    if world.is_alone or config.trainer.batch_norm == "local":
        return net
    return synchronised(net)


def start_from(net: VGG, config: Config, checkpoint: Path) -> None:
    """Give a net the weights that the init takes from the parent's checkpoint.

    Args:
        net: the run's net, with weights of its own; changed in place.
        config: the run's config; its init says which layers are copied.
        checkpoint: the parent's.

    Raises:
        DataError: the checkpoint is damaged.
    """
    state = net_state(checkpoint)
    if config.init.name == "pretrained_a":
        copy_from_a(net, config.model, config.norm, state)
    else:
        copy_all(net, state)


def empty_net(config: Config) -> VGG:
    """The net of a config, whose tensors have shapes and no numbers."""
    with torch.device("meta"):
        return VGG(
            config.model,
            config.norm,
            classes=config.data.classes,
            image_size=config.data.image_size,
            in_channels=channels(config.data),
        )


def stored_net(config: Config, state: Mapping[str, Tensor]) -> VGG:
    """The net of a config with these weights and the trainer's kernels; it draws no weights."""
    net = empty_net(config)
    net.load_state_dict(state, assign=True)
    use_kernels(net, config.trainer, steps=0)
    return net
