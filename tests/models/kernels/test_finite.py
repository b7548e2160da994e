"""A look at many tensors finds the one value that is not finite, wherever it is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vgglab.models.kernels.build import has_kernels
from vgglab.models.kernels.finite import are_finite


@pytest.fixture(params=[False, True], ids=["torch", "cpp"])
def in_cpp(request: pytest.FixtureRequest) -> bool:
    if request.param and not has_kernels():
        pytest.skip("the kernels in C++ cannot be built here")
    return bool(request.param)


def tensors_of(dtype: torch.dtype) -> list[Tensor]:
    """Empty, a scalar, large, in channels_last, transposed, and every other value of a row."""
    shapes = [(0,), (), (100_003,), (4, 8, 3, 3), (5, 7), (20,)]
    made = [torch.randn(shape).to(dtype) for shape in shapes]
    made[3] = made[3].contiguous(memory_format=torch.channels_last)
    return [*made[:4], made[4].T, made[5][::2]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_value_is_enough(bad: float, dtype: torch.dtype, in_cpp: bool) -> None:
    assert are_finite(tensors_of(dtype), in_cpp=in_cpp)
    for place in range(1, 6):
        tensors = tensors_of(dtype)
        tensors[place][(-1,) * tensors[place].dim()] = bad
        assert not are_finite(tensors, in_cpp=in_cpp)


def test_what_lies_between_the_values_is_not_looked_at(in_cpp: bool) -> None:
    row = torch.tensor([1.0, math.nan, 2.0, math.inf])
    assert are_finite([row[::2]], in_cpp=in_cpp)


def test_sums_that_overflow_are_no_fault_of_the_values(in_cpp: bool) -> None:
    largest = torch.finfo(torch.float32).max
    assert are_finite([torch.ones(3), largest * torch.ones(9)], in_cpp=in_cpp)
    assert not are_finite([torch.tensor([math.inf, -math.inf, 1.0])], in_cpp=in_cpp)
