"""Files in torchvision's format, written by torchvision itself with random weights."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import torchvision
from image_folder import write_image_folder
from torch import nn
from torchvision.models.vgg import VGG, cfgs, make_layers

from vgglab.config import Config, FolderConfig, InitConfig, ModelConfig, NormConfig, RecipeConfig
from vgglab.config.parse import ConfigError, parse
from vgglab.evaluation.published_errors import published_errors
from vgglab.models import torchvision_weights as published
from vgglab.models.build import build
from vgglab.models.torchvision_weights import load_weights, net_of
from vgglab.models.weight_files import WeightsError
from vgglab.workflow.published_weights import evaluate_weights, images_of, torchvision_name

CFGS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
MODELS: dict[str, str] = {"vgg11": "a", "vgg13": "b", "vgg16": "d", "vgg19": "e"}


def their_net(name: str, classes: int, width: float) -> VGG:
    """torchvision's own class, with fewer channels; the modules and their names are the same."""
    letter, batch_norm = CFGS[name.removesuffix("_bn")], name.endswith("_bn")
    torch.manual_seed(4)
    table = [c if c == "M" else int(int(c) * width) for c in cfgs[letter]]
    features = make_layers(table, batch_norm=batch_norm)
    with torch.device("meta"):  # its own classifier is of full width
        net = VGG(nn.Identity(), init_weights=False)
    net.features = features
    hidden, units = int(512 * width) * 49, int(4096 * width)
    net.classifier[0] = nn.Linear(hidden, units)
    net.classifier[3] = nn.Linear(units, units)
    net.classifier[6] = nn.Linear(units, classes)
    for layer in (net.classifier[0], net.classifier[3], net.classifier[6]):
        nn.init.normal_(layer.weight, 0, 0.2)
    return net.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp("images"), 12)


def config_for(tmp_path: Path, folder: Path, file: Path, **protocol: Any) -> Config:
    return parse(
        {
            "data": {"name": "folder", "root": str(folder)},
            "protocol": protocol,
            "trainer": {
                "accelerator": "cpu",
                "precision": "fp32",
                "memory_format": "contiguous",
                "threads": 1,
                "workers": 0,
            },
            "task": {"name": "evaluate"},
            "weights": str(file),
            "paths": {"studies": str(tmp_path / "studies"), "data": str(tmp_path / "data")},
            "format": "json",
        }
    )


@pytest.mark.parametrize("name", ["vgg11", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19_bn"])
def test_a_state_dict_says_which_net_it_is_of(name: str) -> None:
    found = net_of(their_net(name, 10, 0.125).state_dict(), name)
    assert found.model == ModelConfig(name=MODELS[name.removesuffix("_bn")], width=0.125)
    assert found.norm == NormConfig(name="batch" if name.endswith("_bn") else "none")
    assert (found.classes, found.map_size, found.in_channels) == (10, 7, 3)


def test_center_is_torchvisions_own_test(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = their_net("vgg16_bn", 10, 0.0625)
    file = tmp_path / "vgg16_bn.pth"
    torch.save(net.state_dict(), file)
    evaluate_weights(config_for(tmp_path, folder, file, name="center", also=["dense"]))
    center, dense = json.loads(capsys.readouterr().out)
    assert (center["protocol"], center["scales"], center["images"]) == ("center", [256], 12)
    assert (center["model"], dense["protocol"]) == ("d-bn", "dense")
    made = tmp_path / "studies" / "adhoc" / "weights" / "vgg16_bn"
    table = pq.read_table(made / "predictions" / "center.parquet")
    # torchvision's own preprocessing of the same pixels, and its own net.
    theirs = torchvision.transforms._presets.ImageClassification(crop_size=224, resize_size=256)
    images = images_of(config_for(tmp_path, folder, file))
    assert len(images) == 12  # all of a folder without splits
    assert table["original"].equals(table["index"])
    worst = 0.0
    with torch.inference_mode():
        for row in table.to_pylist()[:4]:
            scores_k = net(theirs(images.image_chw(row["index"]))[None])[0]
            expected_k = scores_k.log_softmax(0)[torch.tensor(row["classes"])]
            found_k = torch.tensor(row["log_probabilities"])
            worst = max(worst, float((expected_k - found_k).abs().max() / scores_k.abs().max()))
    print(f"largest difference {worst:.1e} of the largest score")
    assert worst < 1e-4
    assert (made / "result.json").exists()


def test_other_classes_or_sizes_are_refused_in_a_line(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "vgg11.pth"
    torch.save(their_net("vgg11", 1000, 0.0625).state_dict(), file)
    with pytest.raises(ConfigError, match=r"data.classes = 10: these weights are of 1000 classes"):
        evaluate_weights(config_for(tmp_path, folder, file))
    torch.save(their_net("vgg11", 10, 0.0625).state_dict(), file)
    config = config_for(tmp_path, folder, file)
    assert isinstance(config.data, FolderConfig)
    small = dataclasses.replace(config, data=dataclasses.replace(config.data, image_size=64))
    with pytest.raises(ConfigError, match=r"data.image_size = 64: these weights .* 7 x 7"):
        evaluate_weights(small)


def without(state: dict[str, torch.Tensor], ending: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if not key.endswith(ending)}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "vgg11_bn",
            lambda state: without(without(state, "features.0.bias"), "features.4.bias"),
            "it lacks features.0.bias, features.4.bias",
        ),
        (
            "vgg11",
            lambda s: s | {"features.1.weight": torch.ones(4)},
            "the net has no features.1.weight",
        ),
        (
            "vgg11",
            lambda state: state | {"features.3.weight": torch.zeros(8, 1, 3, 3)},
            "features.3.weight is of 8 x 1 x 3 x 3 and not 8 x 4 x 3 x 3",
        ),
        (
            "vgg11",
            lambda state: state | {"classifier.6.bias": torch.zeros(7)},
            "classifier.6.bias is of 7 and not 10",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named_in_a_line(
    name: str, change: Any, said: str, tmp_path: Path, folder: Path
) -> None:
    file, classes = tmp_path / "w.pth", tmp_path / "classes.txt"
    torch.save(change(their_net(name, 10, 0.0625).state_dict()), file)
    listed = sorted(path.name for path in folder.iterdir())
    classes.write_text("\n".join(reversed(listed)))
    config = config_for(tmp_path, folder, file)
    for asked in (config, dataclasses.replace(config, weights_classes=str(classes))):
        with pytest.raises(ConfigError) as caught:
            evaluate_weights(asked)
        norm = "batch" if name.endswith("_bn") else "none"
        net = f"weights={file}: does not fit model=a norm={norm} at width 0.0625: "
        assert str(caught.value) == net + said


def test_counts_of_batches_may_be_missing(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "old.pth"  # as torch saved them before 0.4.1
    torch.save(dict(without(their_net("vgg11_bn", 10, 0.0625).state_dict(), "_tracked")), file)
    evaluate_weights(config_for(tmp_path, folder, file, name="center"))


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


def test_a_file_that_would_run_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "damaged.pth").write_bytes(b"PK\x03\x04 and then nothing")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("evil.pth", "plain.pkl", "damaged.pth", "list.pth", "missing.pth"):
        with pytest.raises(WeightsError) as caught:
            load_weights(str(tmp_path / name))
        assert "\n" not in str(caught.value), name
    assert not (tmp_path / "ran").exists()


def test_offline_the_place_for_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    with pytest.raises(WeightsError) as caught:
        load_weights("torchvision:vgg16_bn")
    assert str(tmp_path / "checkpoints") in str(caught.value)
    assert "vgg16_bn-6c64b313.pth" in str(caught.value)
    with pytest.raises(WeightsError, match="must be one of vgg11, vgg11_bn"):
        load_weights("torchvision:resnet50")


def test_a_file_in_torch_hubs_cache_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    state = their_net("vgg11", 10, 0.0625).state_dict()
    torch.save(state, tmp_path / "checkpoints" / "vgg11-8a719046.pth")
    assert load_weights("torchvision:vgg11").keys() == state.keys()


@pytest.mark.parametrize("units", [(64, 64), (64, 48)])
def test_fully_connected_layers_of_other_widths_are_read(units: tuple[int, int]) -> None:
    net = their_net("vgg16", 10, 0.125)
    net.classifier[0] = nn.Linear(64, units[0])  # of a map of 1 px, as for CIFAR
    net.classifier[3] = nn.Linear(*units)
    net.classifier[6] = nn.Linear(units[1], 10)
    found = net_of(net.state_dict(), "w.pth")
    hidden = tuple(8 * count for count in units)
    assert found.model == ModelConfig(name="d", width=0.125, hidden=hidden)
    ours = build(found.model, found.norm, InitConfig(), classes=10, image_size=32)
    theirs = {key: value.shape for key, value in net.state_dict().items()}
    assert theirs == {key: value.shape for key, value in ours.state_dict().items()}


@pytest.mark.parametrize("inputs", [65, 128])  # of 64 channels, in no square
def test_fully_connected_layers_of_no_net_are_refused_in_a_line(inputs: int) -> None:
    net = their_net("vgg16", 10, 0.125)
    net.classifier[0] = nn.Linear(inputs, 512)
    said = f"layers of {inputs} to 512, .* of no net of ours"
    with pytest.raises(WeightsError, match=said) as caught:
        net_of(net.state_dict(), "w.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torchvision:vgg16_bn", "vgg16_bn"),
        ("/x/vgg16_bn-6c64b313.pth", "vgg16_bn"),
        ("/x/mine.pth", ""),
        ("torchvision:vgg16", ""),  # of another net than the config says
    ],
)
def test_published_errors_are_set_beside_torchvisions_own_only(name: str, expected: str) -> None:
    config = parse({"model": {"name": "d", "width": 1}, "norm": {"name": "batch"}})
    whole = dataclasses.replace(
        config,
        data=FolderConfig(classes=1000),
        recipe=RecipeConfig(scale_min=256, scale_max=256),
        weights=name,
    )
    assert torchvision_name(whole) == expected
    assert not torchvision_name(dataclasses.replace(config, weights=name))  # 10 classes
    assert published_errors()["vgg16_bn"] == (26.64, 8.484)
    assert tuple(published_errors()) == published.NAMES
