"""Filters' gradients by a matrix product: as near to those in float64 as torch's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models import convolution
from vgglab.models.build import build
from vgglab.models.convolution import Conv2d
from vgglab.models.kernels.conv_matmul import conv_matmul, is_by_matmul
from vgglab.models.kernels.select import use_kernels

CPU = TrainerConfig(accelerator="cpu", precision="bf16")


def drawn(*shape: int, seed: int) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values


def gradients(
    layer: nn.Conv2d, maps_nchw: Tensor, gradient_nohw: Tensor, *, bf16: bool = False
) -> list[Tensor]:
    """By maps, filters and biases, after the output."""
    layer.zero_grad()
    leaf_nchw = maps_nchw.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        output_nohw = layer(leaf_nchw)
    output_nohw.backward(gradient_nohw.to(output_nohw.dtype))
    found = [output_nohw.detach(), leaf_nchw.grad, layer.weight.grad, layer.bias.grad]  # type: ignore[union-attr]
    assert all(value is not None for value in found)
    return [value.double() for value in found if value is not None]


CASES = [
    (side, kernel, padding)
    for side in ((4, 4), (2, 2), (3, 5))
    for kernel in ((1, 1), (3, 3), (3, 2))
    for padding in ((0, 0), (1, 1), (2, 1))
    if all(s + 2 * p >= k for s, k, p in zip(side, kernel, padding, strict=True))
]


@pytest.mark.parametrize(("side", "kernel", "padding"), CASES)
@pytest.mark.parametrize("channels", [(3, 8), (32, 16)])
@pytest.mark.parametrize("bf16", [True, False])
def test_as_near_to_the_exact_gradients_as_torchs(
    channels: tuple[int, int],
    side: tuple[int, int],
    kernel: tuple[int, int],
    padding: tuple[int, int],
    bf16: bool,
) -> None:
    torch.manual_seed(3)
    ours = Conv2d(*channels, kernel, padding=padding).to(memory_format=torch.channels_last)
    # Values that bf16 has, so that what differs is the computation alone.
    for parameter in ours.parameters():
        parameter.data = parameter.data.bfloat16().float()
    ours.by_matmul = True
    maps_nchw = drawn(16, channels[0], *side, seed=4).bfloat16().float()
    assert is_by_matmul(ours, maps_nchw)
    gradient_nohw = drawn(*ours(maps_nchw).shape, seed=5).bfloat16().float()
    by_ours = gradients(ours, maps_nchw, gradient_nohw, bf16=bf16)
    theirs = nn.Conv2d(*channels, kernel, padding=padding).to(memory_format=torch.channels_last)
    theirs.load_state_dict(ours.state_dict())
    by_theirs = gradients(theirs, maps_nchw, gradient_nohw, bf16=bf16)
    exact = gradients(theirs.double(), maps_nchw.double(), gradient_nohw.double())
    assert torch.equal(by_ours[0], by_theirs[0])
    assert torch.equal(by_ours[1], by_theirs[1])
    for one, other, right in zip(by_ours[2:], by_theirs[2:], exact[2:], strict=True):
        rounding = 2**-9 if bf16 else 2**-20
        assert (one - right).norm() <= 1.01 * (other - right).norm() + rounding * right.norm()


def test_its_derivative_is_right_in_float64() -> None:
    layer = Conv2d(2, 3, 3, padding=1).double().to(memory_format=torch.channels_last)
    assert layer.bias is not None
    maps_nchw = drawn(2, 2, 3, 4, seed=0).double().contiguous(memory_format=torch.channels_last)

    def convolved(maps_nchw: Tensor, weight_oikk: Tensor, bias_o: Tensor) -> Tensor:
        return conv_matmul(maps_nchw, weight_oikk, bias_o, (1, 1))

    given = maps_nchw.requires_grad_(), layer.weight, layer.bias
    assert torch.autograd.gradcheck(convolved, given)


def test_images_without_a_gradient_get_none() -> None:
    weight_oikk, bias_o = drawn(8, 3, 3, 3, seed=0).requires_grad_(), torch.zeros(8)
    output_nohw = conv_matmul(drawn(2, 3, 4, 4, seed=1), weight_oikk, bias_o, (1, 1))
    output_nohw.sum().backward()
    assert weight_oikk.grad is not None


OTHERS: dict[str, Callable[[], tuple[nn.Conv2d, Tensor]]] = {
    "a larger map": lambda: (Conv2d(8, 8, 3), drawn(2, 8, 5, 4, seed=0)),
    "a stride": lambda: (Conv2d(8, 8, 3, 2), drawn(2, 8, 4, 4, seed=0)),
    "another layout": lambda: (Conv2d(8, 8, 3), drawn(2, 8, 4, 4, seed=0).contiguous()),
    "dilation": lambda: (Conv2d(8, 8, 3, dilation=2, padding=2), drawn(2, 8, 4, 4, seed=0)),
}


@pytest.mark.parametrize("case", OTHERS)
def test_others_are_torchs(case: str) -> None:
    assert not is_by_matmul(*OTHERS[case]())


def test_a_net_uses_it_in_its_last_blocks_in_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sides: list[int] = []

    def watched(maps_nchw: Tensor, *others: Tensor, **_: object) -> Tensor:
        sides.append(maps_nchw.shape[2])
        return conv_matmul(maps_nchw, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(convolution, "conv_matmul", watched)
    model = ModelConfig(name="a", width=0.0625)
    net = build(model, NormConfig(name="batch"), InitConfig(), classes=10, image_size=32)
    net = net.to(memory_format=torch.channels_last)
    images_nchw = drawn(2, 3, 32, 32, seed=0)

    def used(trainer: TrainerConfig, *, training: bool, bf16: bool = True) -> list[int]:
        sides.clear()
        use_kernels(net, trainer)
        net.train(training)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            net(images_nchw)
        return sides.copy()

    assert used(CPU, training=True) == [4, 4, 2, 2]
    assert used(CPU, training=False) == []
    fp32 = TrainerConfig(accelerator="cpu", precision="fp32")
    assert used(fp32, training=True, bf16=False) == [4, 4, 2, 2]
    torchs = TrainerConfig(accelerator="cpu", precision="bf16", conv_kernel="torch")
    assert used(torchs, training=True) == []
    with torch.no_grad():
        assert used(CPU, training=True) == []
