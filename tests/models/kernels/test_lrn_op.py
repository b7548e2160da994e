"""The operations that hold the Triton kernel of LRN: shapes, gradient, other devices."""

from __future__ import annotations

import logging
import os

import pytest
import torch

from vgglab.models.kernels import lrn_op
from vgglab.models.kernels.lrn import IN_TORCH, Numbers
from vgglab.models.kernels.select import lrn_kernel

NUMBERS = Numbers(size=5, alpha=1e-2, beta=0.75, k=2.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what torch's checks import
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # they do
@pytest.mark.parametrize(
    ("dtype", "memory_format"),
    [(torch.float32, torch.contiguous_format), (torch.bfloat16, torch.channels_last)],
)
def test_torchs_own_checks_of_an_operation(
    dtype: torch.dtype, memory_format: torch.memory_format
) -> None:
    x = torch.randn(2, 6, 3, 5).to(dtype).contiguous(memory_format=memory_format)
    gradient = torch.randn(2, 6, 3, 5).to(dtype)
    images = x.clone().requires_grad_()
    torch.library.opcheck(torch.ops.vgglab.lrn_triton_forward.default, (images, *NUMBERS))
    torch.library.opcheck(torch.ops.vgglab.lrn_triton_backward.default, (x, gradient, *NUMBERS))


def test_the_operations_gradient() -> None:
    x = torch.randn(1, 7, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda images: torch.ops.vgglab.lrn_triton_forward(images, *NUMBERS), (x,)
    )


def test_shapes_are_known_without_values() -> None:
    x = torch.empty(2, 64, 8, 8, device="meta", dtype=torch.bfloat16).contiguous(
        memory_format=torch.channels_last
    )
    output = torch.ops.vgglab.lrn_triton_forward(x, *NUMBERS)
    by_images = torch.ops.vgglab.lrn_triton_backward(x, x, *NUMBERS)
    for found in (output, by_images):
        assert (found.shape, found.stride(), found.dtype) == (x.shape, x.stride(), x.dtype)


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="Triton runs on this CPU")
def test_without_a_gpu_a_line_says_so_and_torch_computes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert not lrn_op.supports(torch.ones(1, 8, 2, 2).contiguous(memory_format=torch.channels_last))
    with caplog.at_level(logging.WARNING):
        assert lrn_kernel("triton", on_gpu=False) is IN_TORCH
    assert [record.message for record in caplog.records] == [
        "LRN is computed without its kernel in Triton, which fails here: it needs a GPU"
    ]
