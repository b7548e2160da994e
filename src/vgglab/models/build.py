"""From configs to a net with its initial weights."""

from __future__ import annotations

import torch

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.init import initialise
from vgglab.models.vgg import VGG


def build(
    model: ModelConfig,
    norm: NormConfig,
    init: InitConfig,
    *,
    classes: int,
    image_size: int,
    in_channels: int = 3,
    seed: int = 0,
) -> VGG:
    """Build a net in fp32 on the CPU; the same arguments give the same weights.

    The global random generator is neither read nor advanced.

    Args:
        model: the net.
        norm: normalisation between a convolution and its ReLU.
        init: distribution of the initial weights.
        classes: units of the last layer.
        image_size: side of the square images, in pixels.
        in_channels: of the images.
        seed: of the initial weights.

    Returns:
        The net in training mode.

    Raises:
        ValueError: ``classes``, ``image_size`` or ``in_channels`` out of range.
    """
    with torch.device("meta"):  # torch's own initial weights would cost time and random numbers
        net = VGG(model, norm, classes=classes, image_size=image_size, in_channels=in_channels)
    net.to_empty(device="cpu")
    initialise(net, init, seed)
    return net
