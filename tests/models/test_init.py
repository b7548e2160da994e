"""Initial weights: their distribution, their seed, and nothing else's random numbers."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.init import initialise

InitName = Literal["gaussian", "gaussian_printed", "glorot", "he"]
INITS: tuple[InitName, ...] = ("gaussian", "gaussian_printed", "glorot", "he")


def weights(
    init: InitName = "he",
    *,
    seed: int = 0,
    name: Literal["a", "a_lrn", "d"] = "a",
    norm: Literal["none", "batch"] = "none",
) -> list[Tensor]:
    net = build(
        ModelConfig(name=name, width=0.25),
        NormConfig(name=norm),
        InitConfig(name=init),
        classes=10,
        image_size=32,
        seed=seed,
    )
    return [m.weight for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def same(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def expected_std(init: InitName, weight: Tensor) -> float:
    pixels = weight[0, 0].numel()
    fan_in, fan_out = weight.shape[1] * pixels, weight.shape[0] * pixels
    he_fan = fan_out if weight.ndim == 4 else fan_in
    return {
        "gaussian": 0.01,
        "gaussian_printed": math.sqrt(1e-2),
        "glorot": math.sqrt(2 / (fan_in + fan_out)),  # of the uniform of Glorot & Bengio's eq. 16
        "he": math.sqrt(2 / he_fan),
    }[init]


@pytest.mark.parametrize("init", INITS)
def test_every_layer_has_the_distribution_asked_for(init: InitName) -> None:
    for weight in weights(init):
        std, count = expected_std(init, weight), weight.numel()
        assert weight.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * count))
        assert abs(weight.mean().item()) < 4 * std / math.sqrt(count)
        beyond = (weight.abs() > math.sqrt(3) * std * 1.0001).float().mean().item()
        # a uniform ends at sqrt(3) standard deviations; 8.3% of a normal lies beyond
        share = 0.0 if init == "glorot" else 0.083
        assert beyond == pytest.approx(share, abs=4 * math.sqrt(share / count))


@pytest.mark.parametrize("init", INITS)
def test_biases_are_zero_and_batch_norm_is_the_identity(init: InitName) -> None:
    net = build(
        ModelConfig(name="b", width=1 / 16),
        NormConfig(name="batch"),
        InitConfig(name=init),
        classes=10,
        image_size=32,
    )
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 10
    for name, value in net.state_dict().items():
        if name.endswith("bias"):
            assert not value.any(), name
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        assert (norm.weight == 1).all()
        assert (norm.running_var == 1).all()
        assert not norm.running_mean.any()
        assert norm.num_batches_tracked.item() == 0


@pytest.mark.parametrize("init", INITS)
def test_the_seed_alone_decides(init: InitName) -> None:
    first = weights(init, seed=7)
    torch.rand(5)  # whatever ran before
    assert same(first, weights(init, seed=7))
    assert not any(
        torch.equal(one, other) for one, other in zip(first, weights(init, seed=8), strict=True)
    )


@pytest.mark.parametrize("init", INITS)
def test_the_global_generator_is_untouched(init: InitName) -> None:
    before = torch.get_rng_state()
    weights(init)
    assert torch.equal(before, torch.get_rng_state())


def test_norms_leave_the_other_weights_the_same() -> None:
    plain = weights(seed=3)
    assert same(plain, weights(seed=3, norm="batch"))
    assert same(plain, weights(seed=3, name="a_lrn"))


def test_a_module_without_a_rule_is_refused() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.PReLU())
    with pytest.raises(TypeError, match="1 is a PReLU: no rule"):
        initialise(net, InitConfig(), 0)
