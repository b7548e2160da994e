"""Initial weights, which follow from the config and the seed alone.

Weights from another run (``transfer.py``) are written over them afterwards.
"""

from __future__ import annotations

from typing import Literal, assert_never

import torch
from torch import Tensor, nn
from torch.nn import init as draw

from vgglab.config.model import InitConfig


def initialise(net: nn.Module, init: InitConfig, seed: int) -> None:
    """Fill every parameter of a net in place. The names of ``init`` mean:

    - ``gaussian``: normal, standard deviation 0.01 (AlexNet's, and most re-implementations').
    - ``gaussian_printed``: normal, VARIANCE 0.01, so standard deviation 0.1: the paper as printed
      (section 3.1).
    - ``glorot``: uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, eq. 16), which
      the paper's note says makes pre-training unnecessary.
    - ``pretrained_a``, ``from_run``: as ``gaussian``, before weights of another run replace them.
    - ``he``: normal, standard deviation sqrt(2 / fan). He et al. 2015 keep the signal's variance
      forwards (fan_in) or the gradient's backwards (fan_out) and find either sufficient.
      Convolutions take fan_out, as torchvision's published nets did: its smaller weights where
      the channels grow offset the max-poolings, which raise the signal. Of unit images at width
      1/4 (32 to 64 px, A and E) the first logits have a standard deviation of 0.1 to 0.6, so
      training starts from an even guess; with fan_in it is 1 to 3. Fully connected layers take
      fan_in: fan_out would make the logits' scale depend on the number of classes.

    Biases are 0; norms start as the identity (weight 1, bias 0, running mean 0 and variance 1).
    Draws come from a generator of its own, in the order of the modules, so the global one is
    untouched, and norms, which draw nothing, leave the other weights the same.

    Args:
        net: on the CPU.
        init: the distribution.
        seed: of the draws.

    Raises:
        TypeError: a module with parameters that this function does not know.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            _draw(module.weight, init, isinstance(module, nn.Conv2d), generator)
            if module.bias is not None:
                draw.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            module.reset_parameters()  # the running statistics too; draws nothing
        elif next(module.parameters(recurse=False), None) is not None:
            raise TypeError(f"{name} is a {type(module).__name__}: no rule for its parameters")


def _draw(weight: Tensor, init: InitConfig, convolution: bool, generator: torch.Generator) -> None:
    match init.name:
        case "gaussian" | "pretrained_a" | "from_run":
            draw.normal_(weight, std=0.01, generator=generator)
        case "gaussian_printed":
            draw.normal_(weight, std=0.1, generator=generator)
        case "glorot":
            draw.xavier_uniform_(weight, generator=generator)
        case "he":
            fan: Literal["fan_out", "fan_in"] = "fan_out" if convolution else "fan_in"
            draw.kaiming_normal_(weight, mode=fan, nonlinearity="relu", generator=generator)
        case other:
            assert_never(other)
