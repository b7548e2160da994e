"""The model of a step on several devices, and the document that quotes it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from running import ROOT
from scaling_model import MIB, Hardware, buckets, growing, speedup, step_time

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.models.cost import NetCost, describe

FAST = Hardware(name="fast", devices=4, operations=1e14, link=1e18, latency=0.0)


@pytest.fixture(scope="module")
def net_d() -> NetCost:
    return describe(ModelConfig(name="d", width=1), NormConfig(), classes=1000, image_size=224)


def test_a_ring_sends_each_byte_almost_twice() -> None:
    four = dataclasses.replace(FAST, link=1e9)
    assert four.all_reduce(1e9) == pytest.approx(1.5)
    assert dataclasses.replace(four, devices=1).all_reduce(1e9) == 0
    two_nodes = dataclasses.replace(four, nodes=2, network=1e8)
    assert two_nodes.all_reduce(1e9) == pytest.approx(1.5 + 10)
    assert dataclasses.replace(four, latency=1e-3).all_reduce(0) == pytest.approx(6e-3)
    assert four.all_gather(1e9) == pytest.approx(four.all_reduce(1e9) / 2)
    assert two_nodes.all_gather(1e9) == pytest.approx(7 / 8 + 5)


def test_buckets_hold_every_gradient_once_from_the_last_layer(net_d: NetCost) -> None:
    found = buckets(net_d.layers, 25, 4)
    assert sum(size for size, _ in found) == net_d.parameters * 4
    places = [index for _, index in found]
    assert places == sorted(places, reverse=True)
    names = [net_d.layers[index].name for index in places]
    assert names[0] == "fc8"  # 16 MB: over the first bucket's size
    assert "fc6" in names
    assert max(size for size, _ in found) > 100 * MIB  # fc6 is not split


def test_an_endless_link_scales_perfectly_and_none_at_all_does_not(net_d: NetCost) -> None:
    assert speedup(net_d, FAST, batch_size=256) == pytest.approx(4, rel=1e-3)
    slow = dataclasses.replace(FAST, link=1e8)
    step = step_time(net_d, slow, batch_size=256)
    assert speedup(net_d, slow, batch_size=256) < 0.1
    assert step.exposed == pytest.approx(step.communication, rel=0.05)


def test_the_fully_connected_layers_are_sent_while_convolutions_go_backwards(
    net_d: NetCost,
) -> None:
    hardware = dataclasses.replace(FAST, operations=1e13, link=1e10)
    step = step_time(net_d, hardware, batch_size=256)
    assert step.exposed < 0.1 * step.communication
    assert step.total == pytest.approx(step.compute + step.exposed)


def test_factors_are_gathered_in_place_of_the_gradients_of_the_head(net_d: NetCost) -> None:
    """Inputs and outputs of D's three layers, of every image once."""
    slow = dataclasses.replace(FAST, link=1e9, operations=1e30)
    head = sum(row.parameters for row in net_d.layers if row.type == "fc")
    values = 256 * (25_088 + 4_096 + 4_096 + 4_096 + 4_096 + 1_000)
    step = step_time(net_d, slow, batch_size=256, factors=True)
    gathered, summed = values * 2 * 3 / 4 / 1e9, (net_d.parameters - head) * 4 * 3 / 2 / 1e9
    assert step.communication == pytest.approx(gathered + summed)
    half = step_time(net_d, slow, batch_size=256, factors=True, bytes_each=2)
    assert half.communication == pytest.approx(gathered + summed / 2)
    single = dataclasses.replace(slow, factor_bytes=4)
    exact = step_time(net_d, single, batch_size=256, factors=True)
    assert exact.communication == pytest.approx(2 * gathered + summed)
    rounded = step_time(net_d, single, batch_size=256, factors=True, bytes_each=2)
    assert rounded.communication == pytest.approx(half.communication)


def test_each_device_multiplies_the_factors_of_the_whole_batch(net_d: NetCost) -> None:
    head = sum(row.macs for row in net_d.layers if row.type == "fc")
    sums, factors = (step_time(net_d, FAST, batch_size=256, factors=f) for f in (False, True))
    more = 2 * head * (256 - 256 / 4) / FAST.operations
    assert factors.compute == pytest.approx(sums.compute + more)
    assert factors.total == pytest.approx(factors.compute, rel=1e-3)
    one = dataclasses.replace(FAST, devices=1)
    alone = step_time(net_d, one, batch_size=256, factors=True)
    assert alone == step_time(net_d, one, batch_size=256)


def test_growing_doubles_devices_then_nodes() -> None:
    sizes = [hardware.size for hardware in growing(dataclasses.replace(FAST, nodes=4))]
    assert sizes == [1, 2, 4, 8, 16]


def test_the_document_quotes_the_program() -> None:
    told = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "ddp.py"), "predict"],
        capture_output=True,
        text=True,
        check=True,
    )
    text = (ROOT / "docs" / "scaling.md").read_text()
    _, _, rest = text.partition("<!-- benchmarks/ddp.py predict -->\n")
    assert rest.partition("<!-- end -->")[0].strip() == told.stdout.strip()
