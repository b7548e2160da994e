"""The kernels of LRN beside each other: results, choice, the build and its failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from kernel_of import kernel_of
from torch import Tensor

from vgglab.config import LrnConfig, TrainerConfig
from vgglab.config.infrastructure import LrnKernelName
from vgglab.models.kernels import build as cpp
from vgglab.models.kernels.lrn import IN_TORCH, Kernel
from vgglab.models.kernels.select import lrn_kernel, use_kernels
from vgglab.models.lrn import LocalResponseNorm, local_response_norm

RELATIVE = {torch.float32: 1e-5, torch.bfloat16: 2**-7}


def assert_equal_but_for_rounding(ours: Tensor, plain: Tensor) -> None:
    """The kernels add up in different orders; values are about 30."""
    torch.testing.assert_close(ours, plain, rtol=RELATIVE[plain.dtype], atol=1e-5)


def maps(channels: int, dtype: torch.dtype, memory_format: torch.memory_format) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    made = 30 * torch.randn(2, channels, 5, 7, generator=generator)
    return made.to(dtype).contiguous(memory_format=memory_format)


def both_passes(kernel: Kernel, x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    output = local_response_norm(x, size=size, alpha=1e-2, kernel=kernel)
    # As a gradient often comes: of another memory format, and not dense.
    output.backward(torch.ones(1, 1, 1, 1, dtype=x.dtype).expand(x.shape))
    assert x.grad is not None
    return output.detach(), x.grad


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("channels", "size"), [(64, 5), (96, 9), (3, 63), (17, 1), (1, 5)])
def test_cpp_computes_what_torch_does(
    channels: int, size: int, dtype: torch.dtype, memory_format: torch.memory_format
) -> None:
    x = maps(channels, dtype, memory_format)
    for ours, plain in zip(
        both_passes(kernel_of("cpp"), x, size), both_passes(IN_TORCH, x, size), strict=True
    ):
        assert_equal_but_for_rounding(ours, plain)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what torch.compile imports
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_computes_what_torch_does(dtype: torch.dtype) -> None:
    kernel = kernel_of("compiled")
    x = maps(64, dtype, torch.channels_last)
    for ours, plain in zip(both_passes(kernel, x, 5), both_passes(IN_TORCH, x, 5), strict=True):
        assert_equal_but_for_rounding(ours, plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("name", ["auto", "torch", "cpp", "compiled"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_computes_what_a_cpu_does(dtype: torch.dtype, name: LrnKernelName) -> None:
    x = maps(64, dtype, torch.channels_last)
    on_gpu = both_passes_on_gpu(lrn_kernel(name, on_gpu=True), x)
    for ours, plain in zip(on_gpu, both_passes(IN_TORCH, x, 5), strict=True):
        assert_equal_but_for_rounding(ours.cpu(), plain)


def both_passes_on_gpu(kernel: Kernel, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.cuda().requires_grad_()
    output = local_response_norm(x, alpha=1e-2, kernel=kernel)
    output.backward(torch.ones_like(x))
    assert x.grad is not None
    return output.detach(), x.grad


def test_a_nan_shows() -> None:
    x = maps(8, torch.float32, torch.channels_last)
    x[0, 3, 0, 0] = torch.nan
    output, gradient = both_passes(kernel_of("cpp"), x, 3)
    assert output[0, 2:5, 0, 0].isnan().all()
    assert gradient[0, 1:6, 0, 0].isnan().all()
    assert output.isnan().sum() == 3
    assert gradient.isnan().sum() == 5


def test_the_net_is_given_the_kernel_and_the_record_says_which() -> None:
    norm = LocalResponseNorm(LrnConfig())
    net = torch.nn.Sequential(norm)
    used = use_kernels(net, TrainerConfig(accelerator="cpu", lrn_kernel="torch"))
    assert (used.lrn_kernel, norm.kernel) == ("torch", IN_TORCH)
    used = use_kernels(net, TrainerConfig(accelerator="cpu"))
    assert (used.lrn_kernel, norm.kernel) == ("cpp", kernel_of("cpp"))
    without = use_kernels(torch.nn.Sequential(), TrainerConfig())
    assert (without.lrn_kernel, "lrn_kernel" in without.as_dict()) == (None, False)


BUILD = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
from vgglab.models.kernels.select import lrn_kernel
print([lrn_kernel(name, on_gpu=False).name for name in ("auto", "cpp")])
"""


FEW = """
from vgglab.models.kernels import build
few = ("cpu_kernels.h", "lrn.cpp")  # of all of them a build takes half a minute
build.IMPORTED = {path: text for path, text in build.IMPORTED.items() if path.name in few}
"""


@pytest.mark.slow
def test_without_a_compiler_torch_stands_in_and_one_line_says_so(tmp_path: Path) -> None:
    variables = {"TORCH_EXTENSIONS_DIR": str(tmp_path), "CXX": "no-such-compiler"}
    ended = subprocess.run(
        [sys.executable, "-c", BUILD],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    building, failed, names = ended.stdout.splitlines()
    assert "building the kernels in C++" in building
    assert "torch stands in for the kernels in C++" in failed
    assert names == "['torch', 'torch']"
    assert ended.stderr == ""


def test_two_checkouts_share_a_build_and_changed_source_has_one_of_its_own(tmp_path: Path) -> None:
    moved = {tmp_path / path.name: text for path, text in cpp.IMPORTED.items()}
    assert cpp.digest(moved, ["-O3"]) == cpp.digest(cpp.IMPORTED, ["-O3"])
    changed = moved | {tmp_path / "cpu_kernels.h": b"// changed"}
    assert cpp.digest(changed, ["-O3"]) != cpp.digest(moved, ["-O3"])
    assert cpp.digest(moved, ["-O2"]) != cpp.digest(moved, ["-O3"])


@pytest.mark.slow
def test_two_processes_build_once_and_a_third_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kernel_of("cpp")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    command = [sys.executable, "-c", FEW + BUILD]
    pair = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in pair:
        out, _ = process.communicate(timeout=200)
        assert out.splitlines()[-1] == "['cpp', 'cpp']"
    (built,) = tmp_path.glob("*/*.so")
    stamp = built.stat().st_mtime_ns
    third = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert (third.stdout, third.stderr) == ("['cpp', 'cpp']\n", "")
    assert built.stat().st_mtime_ns == stamp


def test_a_kernel_whose_source_was_changed_meanwhile_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cpp, "IMPORTED", {cpp.HERE / "lrn.cpp": b"// as it was imported"})
    assert not cpp.has_kernels.__wrapped__()
    assert "its source was changed after this program began" in caplog.text
