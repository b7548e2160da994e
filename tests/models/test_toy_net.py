"""A net of a known kind is one row of ``NETS``: nothing else has to know its name."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
import report_runs
import torch
from pydantic import ValidationError

from vgglab.config.claims import parse_claims
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.config.nets import NETS, Conv, Net, Pool
from vgglab.config.parse import ConfigError, parse
from vgglab.models.build import build
from vgglab.models.cost import describe
from vgglab.models.fully_convolutional import FullyConvolutional, total_stride
from vgglab.models.layers import shared_with_a, smallest_image, weight_layers
from vgglab.report.error_vs_depth import depth_figure
from vgglab.report.tables import error_table
from vgglab.report.wording import ArmNames
from vgglab.study import summarise

TOY = Net(
    label="T-Net",
    depth_series="line",
    layers=(
        Conv(64), Pool(), Conv(128), Conv(128), Pool(), Conv(256), Conv(256, kernel=1), Pool(),
        Conv(256), Conv(256), Pool(),
    ),
)  # fmt: skip
BATCH = NormConfig(name="batch")


@pytest.fixture(autouse=True)
def toy_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETS, "toy", TOY)


def test_it_is_a_config_and_a_name_that_has_no_row_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = {"model": {"name": "toy"}}
    sides = ({"model.name": "toy"}, {"model.name": "a"})
    claim = {"statement": "-", "direction": "lower", "compare": sides}
    assert parse(toy).model == ModelConfig(name="toy")
    assert parse_claims({"toy": claim})["toy"].compare == sides
    monkeypatch.delitem(NETS, "toy")
    allowed = "must be 'a', 'a_lrn', .*'vgg_m' or 'vgg_s'$"
    with pytest.raises(ConfigError, match=f'^model.name = "toy": {allowed}'):
        parse(toy)
    with pytest.raises(ConfigError, match=f"model.name = toy: {allowed}"):
        parse_claims({"toy": claim})
    for value in ("toy", "", 3, None, ["a"]):
        with pytest.raises(ValidationError, match="Input should be 'a', 'a_lrn'"):
            ModelConfig(name=value)  # type: ignore[arg-type]


def test_it_is_built_and_its_cost_is_the_modules() -> None:
    model = ModelConfig(name="toy", width=1 / 16)
    net = build(model, BATCH, InitConfig(), classes=10, image_size=32)
    cost = describe(model, BATCH, classes=10, image_size=32)
    assert weight_layers("toy") == cost.weight_layers == 10
    assert cost.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert [row.name for row in cost.layers if row.type == "conv"][2:5] == [
        "conv2_2", "conv3_1", "conv3_2",
    ]  # fmt: skip
    assert (smallest_image("toy"), shared_with_a("toy")) == (16, False)
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@torch.inference_mode()
def test_dense_scores_are_those_of_crops() -> None:
    model = ModelConfig(name="toy", width=1 / 16)
    net = build(model, BATCH, InitConfig(), classes=5, image_size=32).eval()
    dense, images_nchw = FullyConvolutional(net), torch.rand(2, 3, 64, 64)
    crop_nchw = images_nchw[..., :32, :32]
    torch.testing.assert_close(dense(crop_nchw)[..., 0, 0], net(crop_nchw))
    maps_nchw, scores_nkhw = net.features(images_nchw), dense(images_nchw)
    assert (total_stride(net), scores_nkhw.shape) == (16, (2, 5, 3, 3))
    for top in range(3):
        for left in range(3):
            window_nchw = maps_nchw[:, :, top : top + 2, left : left + 2]
            expected_nk = net.classifier(window_nchw.flatten(1))
            torch.testing.assert_close(scores_nkhw[:, :, top, left], expected_nk)


@pytest.mark.parametrize("place", ["line", "beside", "none"])
def test_the_report_shows_it_by_its_label_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    row = replace(TOY, depth_series=place, differs="whose convolutions are toys")  # type: ignore[arg-type]
    monkeypatch.setitem(NETS, "toy", row)
    monkeypatch.setitem(report_runs.NETS, "toy", (10, 7.9, 20.0))
    summaries = summarise(report_runs.make_study(tmp_path, models=("toy", "a", "b")))
    figure = depth_figure("depth", summaries)
    assert figure is not None
    words = ["".join(e.itertext()) for e in ET.fromstring(figure.svg).iter()]
    on_axis = place != "none"
    assert ("T-Net" in words, "10" in words) == (on_axis, on_axis)
    is_beside = "T-Net, whose convolutions are toys, is the hollow mark" in figure.caption
    assert is_beside == (place == "beside")
    table = error_table(summaries, ArmNames(s.arm for s in summaries), "errors")
    assert "T-Net" in [row[0] for row in table.rows]
