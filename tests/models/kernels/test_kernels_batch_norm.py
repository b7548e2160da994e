"""Batch norm and ReLU in one pass: what torch's two make, to rounding, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.batch_norm import BatchNorm2d
from vgglab.models.build import build
from vgglab.models.kernels.build import has_kernels
from vgglab.models.kernels.select import use_kernels
from vgglab.models.vgg import VGG

SHAPES = [(2, 3, 9, 7), (3, 16, 8, 8), (1, 65, 5, 12), (4, 8, 32, 32), (2, 1, 3, 3), (0, 8, 4, 4)]
"""With channels that fill a vector, that do not, and rows that cannot be folded; the fourth is
summed in several pieces, the last is of a process that holds no image."""
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 8e-3}
"""Of the largest value: bf16 has 8 bits, so that the two may round to neighbours, 2**-7 apart."""


@pytest.fixture(autouse=True)
def _in_cpp() -> None:
    if not has_kernels():
        pytest.skip("no C++ compiler or no ninja here")


def layer(channels: int, dtype: torch.dtype, *, ours: bool) -> BatchNorm2d:
    norm = BatchNorm2d(channels, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    norm.in_cpp = ours
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        norm.weight.uniform_(-1, 2, generator=generator)
        norm.bias.normal_(generator=generator)
    return norm


def both_passes(maps_nchw: Tensor, *, relu: bool, ours: bool) -> list[Tensor]:
    """Values, then the gradients of maps, weight and bias, then the running moments."""
    norm = layer(maps_nchw.shape[1], maps_nchw.dtype, ours=ours)
    x = maps_nchw.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = norm(x, relu=relu)
    generator = torch.Generator().manual_seed(9)
    # As a gradient often comes: of another memory format.
    gradient_nchw = torch.randn(y.shape, generator=generator).to(y.dtype)
    gradients = torch.autograd.grad(y, (x, norm.weight, norm.bias), gradient_nchw)
    assert norm.num_batches_tracked is not None
    assert int(norm.num_batches_tracked) == 1
    return [y.detach(), *gradients, *norm.buffers()]


def maps(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    maps_nchw = 3 * torch.randn(shape, generator=generator, dtype=torch.float64) + 20
    return maps_nchw.to(dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", [*TOLERANCE])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0]])
def test_the_same_to_rounding(shape: tuple[int, ...], dtype: torch.dtype, relu: bool) -> None:
    x = maps(shape, dtype)
    for one, other in zip(
        both_passes(x, relu=relu, ours=True), both_passes(x, relu=relu, ours=False), strict=True
    ):
        most = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=TOLERANCE[dtype] * max(most, 1e-3))


@pytest.mark.parametrize("relu", [False, True])
def test_its_gradients_are_those_of_its_values(relu: bool) -> None:
    norm = layer(5, torch.float64, ours=True)

    def run(maps_nchw: Tensor, weight_c: Tensor, bias_c: Tensor) -> Tensor:
        result: Tensor = torch.func.functional_call(
            norm, {"weight": weight_c, "bias": bias_c}, (maps_nchw, relu)
        )
        return result

    inputs = (maps((3, 5, 4, 3), torch.float64), norm.weight.detach(), norm.bias.detach())
    assert torch.autograd.gradcheck(run, [value.requires_grad_() for value in inputs])


def test_a_large_mean_costs_no_digits() -> None:
    x = (maps((4, 8, 16, 16), torch.float64) + 1e4).float()
    exact, norm = layer(8, torch.float64, ours=False), layer(8, torch.float32, ours=True)
    exact.load_state_dict(norm.state_dict())
    away = (norm(x) - exact(x.double())).abs().max()
    assert away < 2e-3  # values of 1e4 have steps of 1e-3 in float32


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_threads_change_no_bit(threads: Callable[[int], None]) -> None:
    x = maps((8, 24, 20, 20), torch.bfloat16)
    threads(1)
    alone = both_passes(x, relu=True, ours=True)
    threads(3)
    for one, other in zip(both_passes(x, relu=True, ours=True), alone, strict=True):
        assert torch.equal(one, other)


def test_a_nan_is_passed_on() -> None:
    x = maps((2, 3, 4, 4), torch.float32)
    x[0, 1, 2, 2] = torch.nan
    y = layer(3, torch.float32, ours=True)(x, relu=True)
    assert y.isnan().any((0, 2, 3)).tolist() == [False, True, False]


def test_one_value_a_channel_is_refused_as_torch_does() -> None:
    for ours in (True, False):
        with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
            layer(3, torch.float32, ours=ours)(maps((1, 3, 1, 1), torch.float32))


def test_a_process_without_an_image_has_sums_of_nothing() -> None:
    operations = torch.ops.vgglab
    x = maps((0, 8, 4, 4), torch.float32)
    moments_kc = operations.batch_norm_moments(x)
    assert torch.equal(moments_kc, torch.zeros(2, 8))
    weight_c, numbers = torch.ones(8), (32.0, 1e-5, True)
    y = operations.batch_norm_forward(x, moments_kc, weight_c, weight_c, *numbers)
    sums_kc = operations.batch_norm_backward_sums(y, y, x, moments_kc, weight_c, *numbers)
    assert torch.equal(sums_kc, torch.zeros(2, 8))


def test_it_is_the_kernel_that_is_tested_and_where_it_is_used() -> None:
    x = maps((2, 3, 4, 4), torch.float32)
    norm = layer(3, torch.float32, ours=True)
    names = [type(norm(x).grad_fn).__name__, type(norm(x.contiguous()).grad_fn).__name__]
    norm.eval()
    names.append(type(norm(x).grad_fn).__name__)
    assert names == ["_BatchNormBackward", "NativeBatchNormBackward0", "NativeBatchNormBackward0"]


def net_with(**switches: str) -> tuple[VGG, str | None]:
    model = ModelConfig(name="d", width=0.0625, dropout=0.0)
    norm = NormConfig(name="batch")
    net = build(model, norm, InitConfig(name="he"), classes=10, image_size=32)
    trainer = TrainerConfig(**({"accelerator": "cpu", "compile": "none"} | switches))  # type: ignore[arg-type]
    return net.to(memory_format=torch.channels_last), use_kernels(net, trainer).norm_kernel


def test_a_net_is_computed_by_it_on_a_cpu_alone() -> None:
    assert [net_with(**s)[1] for s in ({}, {"norm_kernel": "torch"}, {"accelerator": "gpu"})] == [
        "cpp",
        "torch",
        "torch",
    ]


def test_a_net_gives_the_same_scores_and_gradients() -> None:
    images_nchw = maps((6, 3, 32, 32), torch.float32)
    found = []
    for kernel in ("cpp", "torch"):
        net, _ = net_with(norm_kernel=kernel)
        net(images_nchw).logsumexp(1).sum().backward()
        gradients = [p.grad.flatten() for p in net.parameters() if p.grad is not None]
        found.append(torch.cat(gradients))
    assert (found[0] - found[1]).norm() < 1e-3 * found[1].norm()
    assert not torch.equal(*found)


def test_hooks_see_each_layer_once_behind_its_relu() -> None:
    net, _ = net_with()
    seen: list[bool] = []
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.register_forward_hook(lambda *found: seen.append(bool((found[2] >= 0).all())))
    net(maps((2, 3, 32, 32), torch.float32))
    # Where a pooling follows, ReLU comes after that.
    pooled = [index in (1, 3, 6, 9, 12) for index in range(len(norms))]
    assert seen == [not waits for waits in pooled]
