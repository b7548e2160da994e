"""``trainer.kernels``: one switch for users over the fine ones for benchmarks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from kernel_of import kernel_of
from torch._inductor.runtime.cache_dir_utils import cache_dir

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.kernels import select
from vgglab.models.kernels.build import share_compiled_code
from vgglab.models.kernels.lrn import IN_TORCH
from vgglab.models.kernels.select import COMPILE_STEPS, Kernels, packing_works, use_kernels
from vgglab.models.lrn import LocalResponseNorm

PLAIN = Kernels(
    pool_first=False,
    pack_weights=False,
    lrn_kernel="torch",
    compile="none",
    pool_kernel="torch",
    norm_kernel=None,
    conv_kernel="torch",
)


def test_a_short_run_is_not_compiled_on_a_gpu_and_a_net_under_test_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(select, "_compiler_works", lambda *_, **__: True)
    gpu = TrainerConfig(accelerator="gpu")
    by_hand = dataclasses.replace(gpu, compile="inductor")
    used = [
        use_kernels(torch.nn.Sequential(), trainer, steps).compile
        for trainer in (gpu, by_hand)
        for steps in (COMPILE_STEPS, COMPILE_STEPS - 1, 0)
    ]
    assert used == ["inductor", "none", "none", "inductor", "inductor", "inductor"]


def test_runs_share_compiled_code_where_the_user_names_no_other_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "mine"))
    share_compiled_code(tmp_path)
    assert cache_dir() == str(tmp_path / "mine")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    assert cache_dir() != str(tmp_path / "compiled")  # it has named a folder of its own
    share_compiled_code(tmp_path)
    assert cache_dir() == str(tmp_path / "compiled")


def test_torch_means_torchs_own_operations_whatever_the_fine_switches_say() -> None:
    model = ModelConfig(name="a_lrn", width=0.0625)
    net = build(model, NormConfig(), InitConfig(), classes=10, image_size=32)
    (norm,) = (module for module in net.modules() if isinstance(module, LocalResponseNorm))
    fast = TrainerConfig(accelerator="cpu", precision="bf16", lrn_kernel="cpp", pool_kernel="cpp")
    use_kernels(net, fast)
    used = use_kernels(
        net, dataclasses.replace(fast, compile="inductor", pack_weights=True, kernels="torch")
    )
    assert used == PLAIN
    assert norm.kernel is IN_TORCH
    features = net.features
    switches = (features.pool_first, features.pools_in_cpp, net.compiled)
    assert switches == (False, False, None)
    kernel_of("cpp")
    fastest = Kernels(
        pool_first=True,
        pack_weights=packing_works(),
        lrn_kernel="cpp",
        compile="none",
        pool_kernel="cpp",
        norm_kernel=None,
        conv_kernel="matmul",
    )
    assert use_kernels(net, TrainerConfig(accelerator="cpu", precision="bf16")) == fastest
