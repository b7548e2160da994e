"""The private operators of torch that ``kernels/packed.py`` calls are as it calls them."""

from __future__ import annotations

import pytest
import torch

SCHEMAS = {
    "_reorder_convolution_weight": "(Tensor self, int[2] padding=0, int[2] stride=1, "
    "int[2] dilation=1, int groups=1, int[]? input_size=None) -> Tensor Y",
    "_convolution_pointwise": "(Tensor X, Tensor W, Tensor? B, int[] padding, int[] stride, "
    "int[] dilation, int groups, str attr, Scalar?[] scalars, str? algorithm) -> Tensor Y",
    "_reorder_linear_weight": "(Tensor self, int? batch_size=None) -> Tensor Y",
    "_linear_pointwise": "(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, "
    "str? algorithm) -> Tensor Y",
}


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch is without oneDNN")
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_operator_exists_with_the_arguments_that_packed_gives_it(name: str) -> None:
    operator = getattr(torch.ops.mkldnn, name, None)
    advice = "models/kernels/packed.py calls it: mend it there, or set trainer.pack_weights=false"
    assert operator is not None, f"torch {torch.__version__} has no mkldnn::{name}; {advice}"
    found = str(operator.default._schema)
    assert found == f"mkldnn::{name}{SCHEMAS[name]}", f"torch {torch.__version__}: {advice}"
