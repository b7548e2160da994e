"""Weights whose order of classes or preprocessing nothing says: what is assumed is said. Weights
within what people save them in are found; those of other nets are named as what they are."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from running import completed
from torch import Tensor, nn
from torchvision.models.vgg import VGG, make_layers

from vgglab.config import Config, FolderConfig, RecipeConfig
from vgglab.config.parse import ConfigError, parse
from vgglab.data.listing import list_images
from vgglab.models.torchvision_weights import is_torchvisions, load_weights, net_of
from vgglab.models.weight_files import WeightsError
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


def prefixed(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """With other names of layers."""
    parts = ((*key.rpartition("."), value) for key, value in state.items())
    return {names.get(layer, layer) + dot + what: value for layer, dot, what, value in parts}


def write_safetensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """As the format's description says: a length, a header in JSON, the numbers."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    content = b""
    for key, value in state.items():
        numbers = value.numpy().tobytes()
        ends = [len(content), len(content) + len(numbers)]
        header[key] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": ends}
        content += numbers
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)


LIGHTNING = {"pytorch-lightning_version": "2.6.0", "loops": {}, "hyper_parameters": {"lr": 0.1}}
CAFFE = {"classifier.0": "classifier.1", "classifier.3": "classifier.4"}
WITHIN: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "DataParallel": lambda state: prefixed(state, "module."),
    "torch.compile": lambda state: prefixed(state, "_orig_mod."),
    "both": lambda state: prefixed(state, "module._orig_mod."),
    "state_dict": lambda state: {"state_dict": state},
    "the ImageNet example": lambda state: {
        "arch": "vgg16", "best_acc1": torch.tensor(71.5), "optimizer": {"state": {}},
        "state_dict": prefixed(state, "module."),
    },
    "torchvision's script": lambda state: {
        "model": state, "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}},
        "args": argparse.Namespace(lr=0.1),
    },
    "Lightning": lambda state: LIGHTNING | {"state_dict": prefixed(state, "model.")},
    "Lightning, with a loss": lambda state: LIGHTNING | {
        "state_dict": {**prefixed(state, "net."), "loss.weight": torch.ones(12)}
    },
    "deeper": lambda state: {"a": {"b": {"model_state": state}}},
    "double precision": lambda state: {k: v.double() for k, v in state.items()},
    "Caffe's, converted": lambda state: renamed(state, CAFFE),
}  # fmt: skip


@pytest.mark.parametrize("how", WITHIN)
def test_weights_are_found_within_what_they_were_saved_in(
    how: str, tmp_path: Path, state: dict[str, Tensor]
) -> None:
    torch.save(WITHIN[how](state), tmp_path / "w.pth")
    found = load_weights(str(tmp_path / "w.pth"))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)
    assert net_of(found, "found").classes == 12


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_safetensors_are_read(name: str, tmp_path: Path, state: dict[str, Tensor]) -> None:
    write_safetensors(tmp_path / name, prefixed(state, "module."))
    found = load_weights(str(tmp_path / name))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize("place", [4, 40, -20])
def test_damaged_safetensors_are_named(
    place: int, tmp_path: Path, state: dict[str, Tensor]
) -> None:
    path = tmp_path / "w.safetensors"
    write_safetensors(path, state)
    path.write_bytes(path.read_bytes()[:place])
    with pytest.raises(
        WeightsError, match=r"w\.safetensors: not a file of safetensors, or damaged"
    ):
        load_weights(str(path))


def test_what_is_left_out_is_said(
    tmp_path: Path, state: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    torch.save({**prefixed(state, "net."), "mean": torch.ones(3)}, tmp_path / "w.pth")
    load_weights(str(tmp_path / "w.pth"))
    assert "left out, beside the net: mean" in caplog.text


TIMMS = {
    "classifier.0": "pre_logits.fc1",
    "classifier.3": "pre_logits.fc2",
    "classifier.6": "head.fc",
}
OTHERS: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "timm": (lambda state: renamed(state, TIMMS), "of timm's VGG"),
    "timm's checkpoint": (lambda state: {"state_dict": renamed(state, TIMMS)}, "of timm's VGG"),
    "features": (
        lambda state: {k: v for k, v in state.items() if k.startswith("features")},
        "the features.* of a VGG alone",
    ),
    "one linear": (
        lambda state: {
            **{k: v for k, v in state.items() if k.startswith("features")},
            "classifier.weight": torch.zeros(2, 32),
        },
        "of a VGG with one fully connected layer (classifier.weight), as made for CIFAR",
    ),
    "another net": (lambda _: {"conv1.weight": torch.zeros(2, 3, 3, 3)}, "it has conv1.weight"),
    "two nets": (
        lambda state: {"model": state, "model_ema": prefixed(state, "module.")},
        "holds several nets, model: *, model_ema: module.*; save one by itself",
    ),
    "a whole module": (
        lambda _: nn.Linear(1, 1), "it holds torch.nn.modules.linear.Linear, and nothing else is"
    ),
    "no weights": (lambda _: {"epoch": 3}, "must be a state dict"),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_weights_of_other_nets_are_named(
    what: str, tmp_path: Path, state: dict[str, Tensor]
) -> None:
    make, message = OTHERS[what]
    path = str(tmp_path / "w.pth")
    torch.save(make(state), path)
    with pytest.raises(WeightsError) as caught:
        net_of(load_weights(path), path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"weights={path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 200, "a file of HDF5, as Keras writes it"),
        (b"<!DOCTYPE html>", "as a failed download leaves it"),
        (b"", "not a file of tensors alone, or damaged"),
    ],
)
def test_files_of_others_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load_weights(str(tmp_path / "w.pth"))


def test_a_file_of_numpy_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.zeros(2))
    with pytest.raises(WeightsError, match="a file of NumPy"):
        load_weights(str(tmp_path / "w.npz"))


def test_a_checkpoint_of_ours_is_tested_as_a_run(tmp_path: Path, numbered: Path) -> None:
    (tmp_path / "runs" / "a-s0-1" / "checkpoints").mkdir(parents=True)
    (tmp_path / "runs" / "a-s0-1" / "config.yaml").touch()
    file = tmp_path / "runs" / "a-s0-1" / "checkpoints" / "best.ckpt"
    file.touch()
    with pytest.raises(ConfigError, match=r"a checkpoint of the run a-s0-1, .* run=/.*/a-s0-1$"):
        evaluate_weights(config_of(tmp_path, numbered, str(file)))


@pytest.mark.slow
def test_a_command_tests_lightnings_and_refuses_timms(
    tmp_path: Path, numbered: Path, state: dict[str, Tensor]
) -> None:
    torch.save(LIGHTNING | {"state_dict": prefixed(state, "model.")}, tmp_path / "light.ckpt")
    torch.save(renamed(state, TIMMS), tmp_path / "timm.pth")
    data = ("task=evaluate", "data=folder", f"data.root={numbered}", "data.classes=12")
    said = completed(tmp_path, *data, "weights=light.ckpt", "format=json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)[0]["images"] == 12
    said = completed(tmp_path, *data, "weights=timm.pth")
    assert said.returncode == 2
    assert said.stderr.startswith("error: weights=timm.pth: of timm's VGG")
    assert said.stderr.count("\n") == 1
