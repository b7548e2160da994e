"""LRN against the printed formula, torch's layer, and finite differences; by every kernel."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from kernel_of import kernel_of
from torch import Tensor, nn

from vgglab.config.model import LrnConfig
from vgglab.models.kernels.lrn import Kernel
from vgglab.models.lrn import LocalResponseNorm, local_response_norm

FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(scope="session", params=["torch", "cpp"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return kernel_of(request.param)


def by_the_book(
    images_nchw: Tensor, n: int, alpha: float, beta: float, k: float
) -> Tensor:  # Krizhevsky et al. 2012, section 3.3, in float64, one channel at a time
    images = images_nchw.double()
    last = images.shape[1] - 1
    output = torch.empty_like(images)
    for i in range(last + 1):
        energy = torch.zeros_like(images[:, i])
        for j in range(max(0, i - n // 2), min(last, i + n // 2) + 1):
            energy = energy + images[:, j] ** 2
        output[:, i] = images[:, i] / (k + alpha * energy) ** beta
    return output


def images(
    channels: int = 8, dtype: torch.dtype = torch.float32, scale: float = 30.0
) -> Tensor:  # as large as a first layer's maps of images in 0..255: alpha then matters
    generator = torch.Generator().manual_seed(0)
    return (scale * torch.randn(2, channels, 3, 5, generator=generator)).to(dtype)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("channels", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("n", [1, 3, 5, 7, 63])
def test_equals_the_formula(
    n: int, channels: int, memory_format: torch.memory_format, kernel: Kernel
) -> None:
    x = images(channels).to(memory_format=memory_format)
    ours = local_response_norm(x, size=n, kernel=kernel)
    torch.testing.assert_close(ours.double(), by_the_book(x, n, 1e-4, 0.75, 2), rtol=1e-6, atol=0)
    assert ours.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0, 1.3])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_any_power(beta: float, memory_format: torch.memory_format, kernel: Kernel) -> None:
    x = images(dtype=torch.float64).to(memory_format=memory_format)
    ours = local_response_norm(x, alpha=0.01, beta=beta, k=1.5, kernel=kernel)
    torch.testing.assert_close(ours, by_the_book(x, 5, 0.01, beta, 1.5), rtol=1e-12, atol=0)


def test_the_default_config_is_krizhevskys() -> None:
    x = images()
    ours = LocalResponseNorm(LrnConfig())(x).double()
    torch.testing.assert_close(ours, by_the_book(x, 5, 1e-4, 0.75, 2), rtol=1e-6, atol=0)
    assert not torch.allclose(ours, by_the_book(x, 5, 1e-4 / 5, 0.75, 2), rtol=1e-3, atol=0)


def test_mean_divides_alpha_by_n() -> None:
    config = LrnConfig(alpha=5e-4, convention="mean")
    torch.testing.assert_close(LocalResponseNorm(config)(images()), local_response_norm(images()))


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("n", "channels"), [(3, 8), (5, 8), (5, 16), (9, 6)])
def test_equals_torchs_layer_with_n_times_alpha(
    n: int, channels: int, dtype: torch.dtype, memory_format: torch.memory_format, kernel: Kernel
) -> None:
    x = images(channels, dtype).to(memory_format=memory_format).requires_grad_()
    wide = x.detach().float().requires_grad_()  # torch's layer raises in bf16 on CPU
    ours = local_response_norm(x, size=n, alpha=1e-4, beta=0.75, k=2, kernel=kernel)
    theirs = nn.LocalResponseNorm(n, alpha=1e-4 * n, beta=0.75, k=2)(wide)
    assert ours.dtype == dtype
    assert ours.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(ours, theirs.to(dtype))
    gradient = images(channels, dtype, scale=1.0)
    torch.autograd.backward([ours, theirs], [gradient, gradient.float()])
    assert x.grad is not None
    assert wide.grad is not None
    assert x.grad.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(x.grad, wide.grad.to(dtype))


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("convention", ["sum", "mean"])
@pytest.mark.parametrize(("n", "beta"), [(1, 0.75), (3, 0.6), (5, 0.75)])
def test_gradient_by_finite_differences(
    n: int,
    beta: float,
    convention: Literal["sum", "mean"],
    memory_format: torch.memory_format,
    kernel: Kernel,
) -> None:
    x = images(4, torch.float64, scale=1.0).to(memory_format=memory_format).requires_grad_()

    def normalised(x: Tensor) -> Tensor:  # alpha near 1, so that the coupling term is not small
        return local_response_norm(
            x, size=n, alpha=0.7, beta=beta, k=1.0, convention=convention, kernel=kernel
        )

    assert torch.autograd.gradcheck(normalised, (x,))


def test_bf16_loses_no_more_than_its_own_rounding(kernel: Kernel) -> None:
    x = images(dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    exact = by_the_book(x, 5, 1e-4, 0.75, 2)
    torch.testing.assert_close(
        local_response_norm(x, kernel=kernel).double(), exact, rtol=2**-8, atol=0
    )  # half a unit in the last of 8 bits


def test_autocast_keeps_bf16_after_a_convolution() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), LocalResponseNorm(LrnConfig()))
    x = images(3)
    with torch.autocast("cpu", torch.bfloat16):
        output = net(x)
        assert output.dtype == torch.bfloat16
        assert net[2](x).dtype == torch.float32
    output.float().sum().backward()
    assert all(
        bool(parameter.grad is not None and parameter.grad.isfinite().all())
        for parameter in net.parameters()
    )


def test_in_cpp_it_keeps_nothing_for_backward_but_its_input() -> None:
    kernel = kernel_of("cpp")
    kept: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    x = images().to(memory_format=torch.channels_last).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        local_response_norm(x, kernel=kernel)
    assert [tensor.data_ptr() for tensor in kept] == [x.data_ptr()]


@pytest.mark.parametrize("size", [0, 4, -3])
def test_an_even_window_is_the_users_mistake(size: int) -> None:
    with pytest.raises(ValueError, match=f"size = {size}: must be odd"):
        local_response_norm(images(), size=size)
