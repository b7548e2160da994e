"""``trainer.kernels``: one switch for users over the fine ones for benchmarks."""

from __future__ import annotations

import dataclasses

import torch
from kernel_of import kernel_of

from vgglab.config import TrainerConfig
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.kernels.lrn import IN_TORCH
from vgglab.models.kernels.select import Kernels, use_kernels
from vgglab.models.lrn import LocalResponseNorm

PLAIN = Kernels(
    pool_first=False, pack_weights=False, lrn_kernel="torch", compile="none", pool_kernel="torch"
)


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
        pack_weights=torch.backends.mkldnn.is_available(),
        lrn_kernel="cpp",
        compile="none",
        pool_kernel="cpp",
    )
    assert use_kernels(net, TrainerConfig(accelerator="cpu", precision="bf16")) == fastest
