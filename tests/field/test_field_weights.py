"""Weights whose order of classes or preprocessing nothing says: what is assumed is said."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.vgg import VGG, make_layers

from vgglab.config import Config, FolderConfig, RecipeConfig
from vgglab.config.parse import ConfigError, parse
from vgglab.data.listing import list_images
from vgglab.models.torchvision_weights import is_torchvisions
from vgglab.workflow.published_weights import evaluate_weights, torchvision_name

BLOCKS: list[str | int] = [4, "M", 8, "M", 16, 16, "M", 32, 32, "M", 32, 32, "M"]
CLASSES = tuple(map(str, range(12)))


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders named 0 to 11, as people export labels."""
    root = tmp_path_factory.mktemp("numbered")
    generator = np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir()
        pixels = generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name / "a.png")
    return root


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(4)
    with torch.device("meta"):
        net = VGG(nn.Identity(), init_weights=False)
    net.features = make_layers(BLOCKS)
    sides = (32 * 49, 256, 256, len(CLASSES))
    for place, inputs, outputs in zip((0, 3, 6), sides, sides[1:], strict=False):
        net.classifier[place] = nn.Linear(inputs, outputs)
    return dict(net.state_dict())


def config_of(tmp_path: Path, root: Path, weights: str, **fields: str) -> Config:
    return parse(
        {
            "data": {"name": "folder", "root": str(root), "classes": 12},
            "trainer": {
                "accelerator": "cpu", "precision": "fp32", "threads": 1, "workers": 0,
                "memory_format": "contiguous",
            },
            "task": {"name": "evaluate"},
            "weights": weights,
            "paths": {"studies": str(tmp_path / "studies"), "data": str(tmp_path / "data")},
            "format": "json",
            **fields,
        }
    )  # fmt: skip


def log_probabilities(tmp_path: Path, name: str) -> dict[str, dict[str, float]]:
    """Class of an image -> class -> its log-probability, all by their names."""
    (root,) = (tmp_path / "studies").glob(f"*/weights/{name}/predictions/center.parquet")
    named = sorted(CLASSES)
    return {
        named[row["label"]]: {
            named[place]: value
            for place, value in zip(row["classes"], row["log_probabilities"], strict=True)
        }
        for row in pq.read_table(root).to_pylist()
    }


def test_the_order_of_classes_is_said_and_can_be_given(
    tmp_path: Path, numbered: Path, state: dict[str, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(state, tmp_path / "as_is.pth")
    evaluate_weights(config_of(tmp_path, numbered, str(tmp_path / "as_is.pth")))
    said = capsys.readouterr().err
    assert "sorted as text, in which 10 comes before 2: 0, 1, 10, 11, 2, " in said
    assert "weights_classes=FILE" in said
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    torch.save(state, tmp_path / "given.pth")
    order = str(tmp_path / "classes.txt")
    evaluate_weights(
        config_of(tmp_path, numbered, str(tmp_path / "given.pth"), weights_classes=order)
    )
    assert "sorted" not in capsys.readouterr().err
    as_is, given = (log_probabilities(tmp_path, name) for name in ("as_is", "given"))
    # The output that was taken for the k-th name in the order of text is of class k.
    for image, values in given.items():
        for place, assumed in enumerate(sorted(CLASSES)):
            assert values[str(place)] == pytest.approx(as_is[image][assumed], abs=1e-5)


def test_an_order_of_other_classes_is_refused(
    tmp_path: Path, numbered: Path, state: dict[str, Tensor]
) -> None:
    torch.save(state, tmp_path / "w.pth")
    (tmp_path / "classes.txt").write_text("\n".join((*CLASSES[:11], "twelve")))
    order = str(tmp_path / "classes.txt")
    config = config_of(tmp_path, numbered, str(tmp_path / "w.pth"), weights_classes=order)
    with pytest.raises(ConfigError, match=r"weights_classes: 12 classes, .*: 11 is in one alone"):
        evaluate_weights(config)
    config = config_of(tmp_path, numbered, str(tmp_path / "w.pth"), weights_classes="none.txt")
    with pytest.raises(ConfigError, match=r"weights_classes = none\.txt: .*No such file"):
        evaluate_weights(config)


def test_preprocessing_is_said_and_can_be_given(
    tmp_path: Path, numbered: Path, state: dict[str, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    name = "vgg16-00b39a1b.pth"  # Caffe's, as others converted it
    torch.save(state, tmp_path / name)
    evaluate_weights(config_of(tmp_path, numbered, str(tmp_path / name)))
    assert f"how the images of {tmp_path / name} were prepared" in capsys.readouterr().err
    found = [log_probabilities(tmp_path, "vgg16-00b39a1b")]
    config = config_of(tmp_path, numbered, str(tmp_path / name), weights_preprocessing="caffe_bgr")
    evaluate_weights(config)
    assert "prepared" not in capsys.readouterr().err
    found.append(log_probabilities(tmp_path, "vgg16-00b39a1b"))
    assert found[0] != found[1]
    # The same net on BGR less Caffe's mean, by torch alone.
    torch.manual_seed(0)
    net = VGG(make_layers(BLOCKS), num_classes=12, init_weights=False)
    for place, (inputs, outputs) in {0: (1568, 256), 3: (256, 256), 6: (256, 12)}.items():
        net.classifier[place] = nn.Linear(inputs, outputs)
    net.load_state_dict(state)
    files = list_images(numbered).file_set(np.arange(1))
    image_chw = files.image_chw(0).float()
    image_nchw = nn.functional.interpolate(
        image_chw[None], size=256, mode="bilinear", antialias=True
    ).round()[..., 16:240, 16:240]
    bgr_nchw = image_nchw.flip(1) - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    with torch.inference_mode():
        expected_k = net.eval()(bgr_nchw)[0].log_softmax(0)
    named = sorted(CLASSES)
    for place, value in enumerate(expected_k.tolist()):
        assert found[1]["0"][named[place]] == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("torchvision:vgg16", True),
        ("x/vgg16-397923af.pth", True),
        ("x/vgg16-00b39a1b.pth", False),
        ("x/vgg16.pth", False),
        ("vgg16_features-amdegroot-88682ab5.pth", False),
    ],
)
def test_torchvisions_errors_stand_beside_its_own_file_alone(name: str, known: bool) -> None:
    assert is_torchvisions(name) == known
    config = dataclasses.replace(
        parse({"model": {"name": "d", "width": 1}}),
        data=FolderConfig(classes=1000),
        recipe=RecipeConfig(scale_min=256, scale_max=256),
        weights=name,
    )
    assert torchvision_name(config) == ("vgg16" if known else "")


def test_what_it_prints_is_the_table_alone(
    tmp_path: Path, numbered: Path, state: dict[str, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(state, tmp_path / "w.pth")
    evaluate_weights(config_of(tmp_path, numbered, str(tmp_path / "w.pth")))
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["images"], row["published top1_error"]) == (12, "")
