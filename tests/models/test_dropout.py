"""Masks belong to samples; their rate and their independence; the cost of them."""

from __future__ import annotations

import pytest
import torch

from vgglab.models.dropout import KeyedDropout, dropout_layers, keyed_dropout, keyed_mask


def keys(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-(2**31), 2**31, (count,), generator=generator).to(torch.int32)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_units_are_dropped_at_the_rate_and_scaled(p: float) -> None:
    mask = keyed_mask(keys(1000), 0, 1000, p)
    dropped = mask == 0
    # 1e6 draws: five standard deviations of the rate, overall, by sample and by unit.
    deviation = (p * (1 - p)) ** 0.5
    assert abs(dropped.double().mean() - p) < 5 * deviation / 1e3
    for axis in (0, 1):
        rates = dropped.double().mean(axis)
        assert (rates - p).abs().max() < 5 * deviation / 1000**0.5
        assert rates.std() == pytest.approx(deviation / 1000**0.5, rel=0.15)
    kept = mask[~dropped]
    assert [float(kept.min()), float(kept.max())] == pytest.approx([1 / (1 - p)] * 2)


def test_samples_units_and_layers_are_not_correlated() -> None:
    first, second = (keyed_mask(keys(2000), layer, 500, 0.5) > 0 for layer in (0, 1))
    for one, other in (
        (first, second),
        (first[:-1], first[1:]),
        (first[:, :-1], first[:, 1:]),
    ):
        agreement = (one == other).double().mean()
        assert agreement == pytest.approx(0.5, abs=0.005)


def test_a_mask_belongs_to_its_sample() -> None:
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    whole = keyed_mask(keys(64), 1, 100, 0.5)
    assert torch.equal(keyed_mask(keys(64)[order], 1, 100, 0.5), whole[order])
    assert torch.equal(keyed_mask(keys(64)[7:9], 1, 100, 0.5), whole[7:9])
    assert keyed_mask(keys(0), 1, 100, 0.5).shape == (0, 100)


def test_keys_are_handed_for_a_while_and_only_training_drops() -> None:
    net = torch.nn.Sequential(KeyedDropout(0.5, 0), KeyedDropout(0.5, 1))
    ones = torch.ones(8, 50)
    with keyed_dropout(dropout_layers(net), keys(8)):
        first, again = net(ones), net(ones)
        assert torch.equal(first, again)
        assert torch.equal(net.eval()(ones), ones)
    net.train()
    assert not torch.equal(net(ones), net(ones))  # torch's own, without keys
    assert KeyedDropout(0.5, 0).state_dict() == {}


def test_gradients_pass_where_units_do() -> None:
    layer = KeyedDropout(0.25, 0)
    layer.keys_n = keys(4)
    inputs = torch.ones(4, 30, requires_grad=True)
    outputs = layer(inputs)
    outputs.sum().backward()
    assert inputs.grad is not None
    assert torch.equal(inputs.grad, outputs.detach())
