"""A protocol that is in these tests alone: a row is all that the rest of the harness needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vgglab.config import PROTOCOLS, InitConfig, ModelConfig, NormConfig
from vgglab.config.parse import ConfigError, parse
from vgglab.config.protocol import KINDS, Protocol
from vgglab.data.resize import rescaled
from vgglab.evaluation.predict import InferenceSettings, predict
from vgglab.evaluation.views import VIEWS, centred
from vgglab.models.build import build
from vgglab.study.summary import place_in_order

SETTINGS = InferenceSettings(torch.device("cpu"))


@dataclass(frozen=True)
class Photographs:
    images: Sequence[Tensor]

    @property
    def labels_n(self) -> NDArray[np.int64]:
        return np.zeros(len(self.images), dtype=np.int64)

    @property
    def originals_n(self) -> NDArray[np.int64]:
        return np.arange(len(self.images))

    def __len__(self) -> int:
        return len(self.images)

    def image_chw(self, index: int) -> Tensor:
        return self.images[index]


def normalise(images_nchw: Tensor) -> Tensor:
    return images_nchw.float() / 64 - 2


@pytest.fixture
def two_centers(monkeypatch: pytest.MonkeyPatch) -> str:
    row = Protocol(kinds=("center",), has_several_scales=True)
    monkeypatch.setitem(PROTOCOLS, "two_centers", row)
    return "two_centers"


def test_a_name_without_a_row_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"protocol\.name = \"two_centers\": must be 'center'"):
        parse({"protocol": {"name": "two_centers"}})
    with pytest.raises(ConfigError, match=r"protocol\.also\.0 = \"two_centers\": must be"):
        parse({"protocol": {"also": ["two_centers"]}})


def test_it_is_accepted_predicted_with_and_ordered(two_centers: str) -> None:
    tree = {"protocol": {"name": two_centers, "scales": [40, 48]}}
    (procedure,) = parse(tree).procedures
    assert (procedure.label, procedure.forwards) == ("two_centers-40-48", 2)
    assert not procedure.mirrored
    net = build(
        ModelConfig(name="a", width=0.0625),
        NormConfig(name="batch"),
        InitConfig(),
        classes=6,
        image_size=procedure.crop,
        in_channels=1,
    ).eval()
    generator = torch.Generator().manual_seed(5)
    image = torch.randint(0, 256, (1, 50, 60), dtype=torch.uint8, generator=generator)
    images = Photographs([image])
    table = predict(net, images, [procedure], normalise, SETTINGS)[procedure.label].table
    with torch.inference_mode():
        views = [centred(rescaled(image, side), 32, 32)[None] for side in (40, 48)]
        expected_k = torch.stack([net(normalise(view)).softmax(1)[0] for view in views]).mean(0)
    order = table["classes"].to_pylist()[0]
    found = np.exp(table["log_probabilities"].to_pylist()[0])
    assert found == pytest.approx(expected_k[order].numpy(), abs=1e-6)
    labels = sorted(["two_centers", "center", "ten_crop"], key=place_in_order)
    assert labels == ["center", "ten_crop", "two_centers"]


def test_every_kind_has_a_function_that_makes_as_many_views_as_its_row_says() -> None:
    assert VIEWS.keys() == KINDS.keys()
    image = torch.zeros(1, 48, 64)
    made = {kind: len(list(views(image, 32, 32))) for kind, views in VIEWS.items()}
    assert made == {kind: traits.views for kind, traits in KINDS.items()}
