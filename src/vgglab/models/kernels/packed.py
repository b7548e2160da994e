"""A trained net for many forward passes in bf16 on a CPU: its weights made ready once.

Autocast rounds every weight to bf16 again in every forward pass, and oneDNN lays it out anew for
its kernels; without a gradient nothing forces either. What is computed is the same, to the bit.
torch.compile with freezing does as much, but compiles for a minute, and again for another shape.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from vgglab.config import TrainerConfig
from vgglab.models.fully_convolutional import FullyConvolutional
from vgglab.models.vgg import VGG, pooled_first

Layer = Callable[[Tensor], Tensor]


def packs(trainer: TrainerConfig) -> bool:
    """Whether evaluation uses packed weights: asked for, in bf16, on a CPU with oneDNN."""
    return (
        trainer.pack_weights
        and trainer.precision == "bf16"
        and trainer.accelerator == "cpu"
        and bool(torch.backends.mkldnn.is_available())
    )


class Packed(nn.Module):
    """The same scores as the net's under bf16 autocast. Later changes of its weights do not show.

    Args:
        net: in evaluation mode, on a CPU.
    """

    def __init__(self, net: VGG | FullyConvolutional) -> None:
        super().__init__()
        self._features = _layers(net.features)
        self._classifier = _layers(net.classifier)
        self._flattens = isinstance(net, VGG)

    @torch.inference_mode()
    def forward(self, images_nchw: Tensor) -> Tensor:
        """Scores of images (N, C, H, W), bf16, of the shape that the net's have."""
        values = images_nchw.bfloat16()
        for layer in self._features:
            values = layer(values)
        if self._flattens:
            values = values.flatten(1)
        for layer in self._classifier:
            values = layer(values)
        return values


def _layers(modules: Iterable[nn.Module]) -> list[Layer]:
    """A convolution or a fully connected layer takes a ReLU that follows it into its own kernel."""
    kept = [module for module in modules if not isinstance(module, nn.Dropout)]
    layers: list[Layer | nn.Module] = []
    before: nn.Module | None = None
    for module, after in itertools.pairwise([*kept, None]):
        assert module is not None
        if isinstance(module, nn.Conv2d | nn.Linear):
            pack = _convolution if isinstance(module, nn.Conv2d) else _linear
            layers.append(pack(module, "relu" if isinstance(after, nn.ReLU) else "none"))
        elif not (isinstance(module, nn.ReLU) and isinstance(before, nn.Conv2d | nn.Linear)):
            layers.append(module)
        before = module
    return pooled_first(layers)


def _convolution(module: nn.Module, activation: str) -> Layer:
    assert isinstance(module, nn.Conv2d)
    assert module.bias is not None
    padding, stride, dilation = (
        [int(side) for side in both] for both in (module.padding, module.stride, module.dilation)
    )
    low = module.weight.detach().bfloat16().contiguous(memory_format=torch.channels_last)
    weight = torch.ops.mkldnn._reorder_convolution_weight(low, padding, stride, dilation, 1)
    bias = module.bias.detach().bfloat16()

    def run(images_nchw: Tensor) -> Tensor:
        output: Tensor = torch.ops.mkldnn._convolution_pointwise(
            images_nchw, weight, bias, padding, stride, dilation, 1, activation, [], ""
        )
        return output

    return run


def _linear(module: nn.Module, activation: str) -> Layer:
    assert isinstance(module, nn.Linear)
    weight = torch.ops.mkldnn._reorder_linear_weight(module.weight.detach().bfloat16())
    bias = module.bias.detach().bfloat16()

    def run(values_nk: Tensor) -> Tensor:
        output: Tensor = torch.ops.mkldnn._linear_pointwise(
            values_nk, weight, bias, activation, [], ""
        )
        return output

    return run
