"""Max-pooling and ReLU in one pass: what torch's two make, to the value, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.kernels.build import has_kernels
from vgglab.models.kernels.max_pool import is_halving_pool, max_pool_relu
from vgglab.models.kernels.select import use_kernels


@pytest.fixture(autouse=True)
def _in_cpp() -> None:
    if not has_kernels():
        pytest.skip("no C++ compiler or no ninja here")


def both_passes(maps_nchw: Tensor, *, relu: bool, ours: bool) -> tuple[Tensor, Tensor]:
    x = maps_nchw.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    if ours:
        y = max_pool_relu(x, relu=relu)
    else:
        y = nn.functional.max_pool2d(x, 2)
        y = y.relu() if relu else y
    generator = torch.Generator().manual_seed(9)
    # As a gradient often comes: of another memory format.
    y.backward(torch.randn(y.shape, generator=generator).to(y.dtype))
    assert x.grad is not None
    return y.detach(), x.grad


def assert_equal(maps_nchw: Tensor, *, relu: bool) -> None:
    for one, other in zip(
        both_passes(maps_nchw, relu=relu, ours=True),
        both_passes(maps_nchw, relu=relu, ours=False),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(2, 3, 9, 7), (3, 16, 8, 8), (1, 65, 5, 12), (2, 64, 2, 3)])
def test_the_same_values_with_ties_and_nans(
    shape: tuple[int, ...], dtype: torch.dtype, relu: bool, memory_format: torch.memory_format
) -> None:
    maps_nchw = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    maps_nchw[maps_nchw.abs() < 0.5] = 0.0  # the first of equal values gets the gradient
    maps_nchw.view(-1)[::53] = torch.nan
    maps_nchw.view(-1)[::71] = -torch.inf
    assert_equal(maps_nchw.to(dtype).contiguous(memory_format=memory_format), relu=relu)


def test_it_is_the_kernel_that_is_tested() -> None:
    maps_nchw = torch.zeros(1, 8, 4, 4, requires_grad=True)
    names = []
    for memory_format in (torch.channels_last, torch.contiguous_format):
        x = maps_nchw.contiguous(memory_format=memory_format)
        names.append(type(max_pool_relu(x, relu=False).grad_fn).__name__)
    assert names == ["_MaxPoolBackward", "MaxPool2DWithIndicesBackward0"]


def test_only_windows_of_two_by_two_are_taken() -> None:
    assert is_halving_pool(nn.MaxPool2d(2, 2))
    for other in (
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        nn.MaxPool2d(3, 3),
        nn.MaxPool2d(2, 1),
        nn.MaxPool2d(2, 2, padding=1),
        nn.ReLU(),
    ):
        assert not is_halving_pool(other)


def test_a_gpu_has_its_own() -> None:
    net = build(ModelConfig(), NormConfig(), InitConfig(), classes=10, image_size=32)
    used = use_kernels(net, TrainerConfig(accelerator="gpu", compile="none"))
    assert (used.pool_kernel, net.features.pools_in_cpp) == ("torch", False)
