"""The Triton kernel of LRN, by Triton's interpreter on a CPU and, where there is one, on a GPU."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

import interpreted_lrn
import pytest
import torch
from running import ROOT

from vgglab.models.kernels.lrn import IN_TORCH
from vgglab.models.kernels.select import lrn_kernel
from vgglab.models.lrn import local_response_norm

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed"
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
LIMITS = {"float32": 3e-5, "bfloat16": 2**-6, "float16": 2**-9}
"""The interpreter cuts bf16 off where a GPU rounds."""


@functools.cache
def interpreted() -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, interpreted_lrn.__file__],
        env=os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.slow
@needs_triton
@pytest.mark.parametrize("case", interpreted_lrn.CASES, ids=str)
def test_values_and_gradients_are_those_of_float64(case: tuple[object, ...]) -> None:
    found = interpreted()
    assert found["name"] == "triton"
    output, gradient = found["errors"][" ".join(map(str, case))]
    limit = LIMITS[str(case[-1])]
    assert 0 < output < limit
    assert 0 < gradient < limit


@pytest.mark.slow
@needs_triton
def test_it_agrees_with_torchs_layer_and_leaves_other_maps_to_another_kernel() -> None:
    found = interpreted()
    assert 0 < max(found["layer"]) < LIMITS["float32"]
    assert found["contiguous"] == [0, 0]
    assert found["empty"] == [0, 8, 4, 4]


@pytest.mark.slow
@needs_triton
def test_under_autocast_and_in_a_compiled_graph_that_is_whole() -> None:
    eager, compiled = interpreted()["nets"]
    assert 0 < max(eager) < 0.02
    assert 0 < max(compiled) < 0.02


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("channels", "size", "beta"), [(64, 5, 0.75), (96, 3, 0.75), (6, 7, 0.5)])
def test_a_gpus_values_are_those_of_float64(
    channels: int, size: int, beta: float, dtype: str
) -> None:
    kernel = lrn_kernel("triton", on_gpu=True)
    assert kernel.name == "triton"
    x, gradient = interpreted_lrn.made(channels, getattr(torch, dtype))
    ours = interpreted_lrn.both_passes(kernel, (x.cuda(), gradient.cuda()), size, beta)
    exact = interpreted_lrn.both_passes(IN_TORCH, (x.double(), gradient.double()), size, beta)
    for found, wanted in zip(ours, exact, strict=True):
        assert interpreted_lrn.furthest(found.cpu(), wanted) < LIMITS[dtype]


@pytest.mark.gpu
@needs_gpu
def test_maps_of_more_than_2_to_the_31_values() -> None:
    if torch.cuda.mem_get_info()[0] < 12 * 2**30:
        pytest.skip("needs 12 GiB of the GPU's memory")
    x = torch.zeros(1, 64, 5800, 5800, dtype=torch.bfloat16, device="cuda").contiguous(
        memory_format=torch.channels_last
    )
    last = 30 * torch.randn(64, device="cuda")
    x[0, :, -1, -1] = last.bfloat16()
    kernel = lrn_kernel("triton", on_gpu=True)
    found = local_response_norm(x, kernel=kernel)[:, :, -1:, -1:]
    wanted = local_response_norm(x[:, :, -1:, -1:].clone())
    assert kernel.name == "triton"
    torch.testing.assert_close(found, wanted, rtol=2**-7, atol=1e-5)
