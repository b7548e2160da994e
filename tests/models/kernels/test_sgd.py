"""SGD in one pass over memory: the bits of torch's fused kernel and of autocast's rounding."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.sgd import SGD

from vgglab.config import Config
from vgglab.config.parse import parse
from vgglab.data.loaders import Batch
from vgglab.models.build import build
from vgglab.models.convolution import Conv2d
from vgglab.models.kernels import select
from vgglab.models.kernels.build import has_kernels
from vgglab.models.kernels.select import keep_rounded, updates_in_cpp, use_kernels
from vgglab.models.kernels.sgd import OnePassSGD, RoundedParameter
from vgglab.models.linear import Linear
from vgglab.models.vgg import VGG
from vgglab.training.module import Classifier

pytestmark = pytest.mark.skipif(
    not has_kernels() or not hasattr(torch.Tensor, "grad_dtype"),
    reason="no C++ compiler or no ninja here, or a torch before 2.10",
)

RULES = {
    "momentum": {"momentum": 0.9},
    "momentum nesterov": {"momentum": 0.9, "nesterov": True},
    "decay": {"momentum": 0.5, "weight_decay": 5e-4},
    "nesterov": {"momentum": 0.9, "weight_decay": 5e-4, "nesterov": True},
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sizes", [(1,), (7,), (8,), (31, 4099), (100_003,)])
def test_the_same_bits_as_torchs_fused_kernel(sizes: Sequence[int], rule: str) -> None:
    random = torch.Generator().manual_seed(0)
    theirs = [nn.Parameter(torch.randn(size, generator=random)) for size in sizes]
    ours = [nn.Parameter(p.detach().clone()) for p in theirs]
    options: dict[str, Any] = {"lr": 0.01, "fused": True} | RULES[rule]
    by_torch = SGD(theirs, **options)
    kept = [RoundedParameter(p) for p in ours]
    by_kernel = OnePassSGD(SGD(ours, **options), kept)
    for _ in range(4):
        for one, other in zip(theirs, ours, strict=True):
            gradient = torch.randn(one.shape, generator=random).mul(1e-2).bfloat16()
            gradient[::5] = -0.0
            one.grad, other.grad = gradient.float(), gradient
        by_torch.step()
        by_kernel.step()
        for one, other, rounded in zip(theirs, ours, kept, strict=True):
            assert as_bits(one) == as_bits(other)
            assert torch.equal(rounded.values, one.detach().bfloat16())
    one_state, other_state = by_torch.state_dict(), by_kernel.state_dict()
    assert one_state["param_groups"] == other_state["param_groups"]
    for key, state in one_state["state"].items():
        other = other_state["state"][key]
        assert as_bits(state["momentum_buffer"]) == as_bits(other["momentum_buffer"])


def as_bits(values: Tensor) -> bytes:
    """In which 0 and -0 are not the same."""
    return values.detach().numpy().tobytes()


def test_other_bits_than_torchs_leave_the_update_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    select._passes.cache_clear()
    try:
        assert updates_in_cpp(config_of())
        select._passes.cache_clear()
        exact = SGD.step

        def off_by_one_bit(optimizer: SGD) -> None:
            exact(optimizer)
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    bits = parameter.detach().view(torch.int32)
                    bits += 1

        monkeypatch.setattr(SGD, "step", off_by_one_bit)
        assert not updates_in_cpp(config_of())
    finally:
        select._passes.cache_clear()


def test_a_backward_pass_after_the_update_of_what_it_needs_is_refused() -> None:
    module = module_of(config_of())
    optimizer = trained(module, range(1))
    with torch.autocast("cpu", torch.bfloat16):
        loss = module.net(torch.randn(2, 1, 32, 32)).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def config_of(norm: str = "none", **changes: Any) -> Config:
    trainer = {"accelerator": "cpu", "precision": "bf16"} | changes.pop("trainer", {})
    recipe = {"learning_rate": 0.05, "batch_size": 8} | changes.pop("recipe", {})
    model = {"name": "a", "width": 0.0625}
    tree = {"model": model, "norm": {"name": norm}, "trainer": trainer, "recipe": recipe}
    return parse(tree | changes)


def trained(module: Classifier, steps: range) -> SGD:
    """The optimiser after some steps on batches that depend on their number alone."""
    found = module.configure_optimizers()
    optimizer = found["optimizer"] if isinstance(found, dict) else found
    assert isinstance(optimizer, SGD)
    go_on(module, optimizer, steps)
    return optimizer


def go_on(module: Classifier, optimizer: SGD, steps: range) -> None:
    module.train()
    for step in steps:
        random = torch.Generator().manual_seed(step)
        images_nchw = torch.randn(8, 1, 32, 32, generator=random)
        labels_n = torch.randint(10, (8,), generator=random)
        images_nchw = images_nchw.contiguous(memory_format=torch.channels_last)
        batch = Batch(images_nchw, labels_n, np.arange(8), 0, 8)
        with torch.autocast("cpu", torch.bfloat16):
            loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def net_of(module: Classifier) -> VGG:
    assert isinstance(module.net, VGG)
    return module.net


def first_linear(net: VGG) -> Linear:
    return next(layer for layer in net.modules() if isinstance(layer, Linear))


def module_of(config: Config) -> Classifier:
    net = build(
        config.model, config.norm, config.init, classes=10, image_size=32, in_channels=1, seed=3
    )
    net = net.to(memory_format=torch.channels_last)
    use_kernels(net, config.trainer)
    return Classifier(net, config, steps_per_epoch=10)


def with_torch(config: Config) -> Config:
    trainer = dataclasses.replace(config.trainer, sgd_kernel="torch")
    return dataclasses.replace(config, trainer=trainer)


def same_bits(one: dict[str, Any], other: dict[str, Any]) -> bool:
    assert list(one) == list(other)
    return all(torch.equal(value, other[key]) for key, value in one.items())


def momenta(optimizer: SGD) -> dict[str, Tensor]:
    return {
        str(key): state["momentum_buffer"] for key, state in optimizer.state_dict()["state"].items()
    }


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_net_trains_to_the_bits_of_autocast_and_torch(norm: str) -> None:
    config = config_of(norm)
    ours, theirs = module_of(config), module_of(with_torch(config))
    by_kernel, by_torch = trained(ours, range(4)), trained(theirs, range(4))
    assert (type(by_kernel), type(by_torch)) == (OnePassSGD, SGD)
    weight = first_linear(net_of(ours)).weight
    assert weight.grad is not None
    assert weight.grad.dtype == torch.bfloat16  # and not widened on the way
    assert same_bits(ours.net.state_dict(), theirs.net.state_dict())
    assert same_bits(momenta(by_kernel), momenta(by_torch))


@pytest.mark.parametrize("begun_by", ["cpp", "torch"])
def test_one_goes_on_from_a_checkpoint_of_the_other(begun_by: str) -> None:
    config = config_of("batch")
    both = [config, with_torch(config)]
    begins, ends = both if begun_by == "cpp" else both[::-1]
    module = module_of(begins)
    optimizer = trained(module, range(2))
    kept = copy.deepcopy((module.state_dict(), optimizer.state_dict()))
    resumed = module_of(ends)
    other = trained(resumed, range(7, 8))  # so that it has rounded other weights before
    resumed.load_state_dict(kept[0])
    other.load_state_dict(kept[1])
    go_on(resumed, other, range(2, 4))
    go_on(module, optimizer, range(2, 4))
    assert same_bits(module.net.state_dict(), resumed.net.state_dict())


def test_a_momentum_in_another_order_in_memory_is_put_in_that_of_the_weights() -> None:
    weight = torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(4, 3, 3, 3)  # neither is in that order
    found = []
    for in_order in (True, False):
        parameter = nn.Parameter(weight.clone(memory_format=torch.preserve_format))
        optimizer = OnePassSGD(SGD([parameter], lr=0.1, momentum=0.9, fused=True), [])
        parameter.grad = gradient.contiguous(memory_format=torch.channels_last)
        optimizer.step()
        if not in_order:
            state = optimizer.state[parameter]
            state["momentum_buffer"] = state["momentum_buffer"].contiguous()
            parameter.grad = gradient
        optimizer.step()
        found.append(parameter.detach())
    assert torch.equal(*found)


def test_a_frozen_layer_is_rounded_by_autocast() -> None:
    module = module_of(config_of())
    first = net_of(module).features.steps[0]
    assert isinstance(first, Conv2d)
    first.requires_grad_(False)
    kept = {id(one.parameter) for one in keep_rounded(module.net)}
    assert kept == {id(p) for p in module.net.parameters() if p.requires_grad}
    assert not first.kept


@pytest.mark.parametrize(
    "changes",
    [
        {"trainer": {"precision": "fp32"}},
        {"trainer": {"accelerator": "gpu"}},
        {"trainer": {"sgd_kernel": "torch"}},
        {"trainer": {"kernels": "torch"}},
        {"trainer": {"fused_optimizer": False}},
        {"trainer": {"accumulate": 2}},
        {"trainer": {"compile": "inductor"}},
        {"recipe": {"optimizer": "adamw"}},
        {"recipe": {"momentum": 0.0}},
        {"recipe": {"clip_gradients": 1.0}},
        {"recipe": {"average_weights": 0.99}},
        {"devices": 2},
    ],
)
def test_torch_updates_where_gradients_would_differ(changes: dict[str, Any]) -> None:
    assert updates_in_cpp(config_of())
    assert updates_in_cpp(config_of(recipe={"optimizer": "nesterov"}))
    assert not updates_in_cpp(config_of(**changes))


def test_outside_of_training_and_of_bf16_weights_are_the_nets_own() -> None:
    module = module_of(config_of())
    trained(module, range(1))
    net, images_nchw = net_of(module), torch.randn(2, 1, 32, 32)
    first_linear(net).weight.data.mul_(2)  # unnoticed by torch, as some libraries do it
    other = net_of(module_of(config_of()))
    other.load_state_dict(net.state_dict())
    for bf16 in (True, False):
        found = []
        for one in (net.eval(), other.eval()):
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                found.append(one(images_nchw))
        assert torch.equal(*found)
    assert torch.equal(*(one(images_nchw) for one in (net, other)))
