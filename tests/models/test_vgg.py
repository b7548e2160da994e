"""The net: torchvision's weights and logits, sizes, mistakes."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
import torchvision
from torch import Tensor, nn

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.config.nets import shipped
from vgglab.models.batch_norm import BatchNorm2d
from vgglab.models.build import build
from vgglab.models.convolution import Conv2d
from vgglab.models.lrn import LocalResponseNorm
from vgglab.models.vgg import VGG

NormName = Literal["none", "batch"]
NAMES = shipped()
TORCHVISIONS: dict[str, str] = {"a": "vgg11", "b": "vgg13", "d": "vgg16", "e": "vgg19"}


def small(
    name: str = "a",
    norm: NormName = "none",
    *,
    width: float = 1 / 16,
    classes: int = 10,
    image_size: int = 32,
    in_channels: int = 3,
    dropout: float = 0.5,
) -> VGG:
    return build(
        ModelConfig(name=name, width=width, dropout=dropout),
        NormConfig(name=norm),
        InitConfig(),
        classes=classes,
        image_size=image_size,
        in_channels=in_channels,
    )


def images(count: int, channels: int, size: int) -> Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def published_size(name: str, norm: NormName) -> VGG:
    with torch.device("meta"):
        model = ModelConfig(name=name, width=1)
        return VGG(model, NormConfig(name=norm), classes=1000, image_size=224)


@pytest.fixture(scope="module")
def head() -> nn.Sequential:
    """torchvision's classifier (the same for its eight nets) with weights that keep the scale."""
    with torch.device("meta"):
        classifier: nn.Sequential = torchvision.models.vgg11().classifier
    classifier.to_empty(device="cpu")
    fill(classifier)
    return classifier


def fill(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for child in module.modules():
        if isinstance(child, nn.Conv2d | nn.Linear):
            assert child.bias is not None
            nn.init.kaiming_uniform_(child.weight, nonlinearity="relu", generator=generator)
            nn.init.uniform_(child.bias, -0.5, 0.5, generator=generator)
        elif isinstance(child, nn.BatchNorm2d):
            assert child.running_mean is not None
            assert child.running_var is not None
            nn.init.uniform_(child.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(child.bias, -0.5, 0.5, generator=generator)
            nn.init.uniform_(child.running_mean, -0.5, 0.5, generator=generator)
            nn.init.uniform_(child.running_var, 0.5, 1.5, generator=generator)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", ["a", *(pytest.param(n, marks=pytest.mark.slow) for n in "bde")])
def test_torchvisions_state_dict_gives_torchvisions_logits(
    name: str, norm: NormName, head: nn.Sequential
) -> None:
    suffix = "_bn" if norm == "batch" else ""
    with torch.device("meta"):
        theirs = getattr(torchvision.models, TORCHVISIONS[name] + suffix)()
    theirs.features.to_empty(device="cpu")
    fill(theirs.features)
    theirs.classifier = head
    ours = published_size(name, norm)
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    image_1chw = images(1, 3, 224)
    with torch.inference_mode():
        logits_1k: Tensor = theirs.eval()(image_1chw)
        torch.testing.assert_close(ours.eval()(image_1chw), logits_1k)
    assert logits_1k.std() > 0.1  # not all the last bias


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", NAMES)
def test_one_step_reaches_every_parameter(name: str, norm: NormName) -> None:
    net = small(name, norm, image_size=64, in_channels=1, classes=7, dropout=0.0)
    logits_nk = net(images(3, 1, 64))
    assert logits_nk.shape == (3, 7)
    logits_nk.logsumexp(1).sum().backward()
    for parameter in net.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize(("image_size", "last"), [(32, 1), (40, 1), (64, 2), (100, 3), (224, 7)])
def test_the_head_fits_the_last_map(image_size: int, last: int) -> None:
    net = small(image_size=image_size)
    first = net.classifier[0]
    assert isinstance(first, nn.Linear)
    assert net.map_size == last
    assert first.in_features == 32 * last**2
    assert net(images(2, 3, image_size)).shape == (2, 10)


def test_width_scales_channels_and_hidden_units() -> None:
    net = small("d", width=0.25, classes=10)
    sizes = [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)]
    units = [m.out_features for m in net.modules() if isinstance(m, nn.Linear)]
    assert sizes == 2 * [16] + 2 * [32] + 3 * [64] + 6 * [128]
    assert units == [1024, 1024, 10]


def test_lrn_follows_the_first_relu() -> None:
    kinds = [type(m) for m in small("a_lrn", "batch").features][:5]
    assert kinds == [Conv2d, BatchNorm2d, nn.ReLU, LocalResponseNorm, nn.MaxPool2d]
    assert sum(isinstance(m, LocalResponseNorm) for m in small("a_lrn").modules()) == 1


def test_dropout_follows_the_first_two_hidden_layers() -> None:
    net = small(dropout=0.25)
    places = {i: m.p for i, m in enumerate(net.classifier) if isinstance(m, nn.Dropout)}
    assert places == {2: 0.25, 5: 0.25}


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_and_bf16_autocast(name: str) -> None:
    net = small(name, width=1 / 8, image_size=48).eval()
    images_nchw = images(2, 3, 48)
    expected_nk = net(images_nchw)
    last = images_nchw.to(memory_format=torch.channels_last)
    net = net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(net(last), expected_nk)
    with torch.autocast("cpu", torch.bfloat16):
        low_nk = net(last)
    assert low_nk.dtype == torch.bfloat16
    torch.testing.assert_close(low_nk.float(), expected_nk, rtol=0.1, atol=0.02)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"image_size": 31}, "image_size = 31: must be 32 or more"),
        ({"classes": 0}, "classes = 0: must be 1 or more"),
        ({"in_channels": 0}, "in_channels = 0: must be 1 or more"),
    ],
)
def test_a_size_out_of_range_names_field_value_and_allowed(
    sizes: dict[str, int], message: str
) -> None:
    arguments = {"classes": 10, "image_size": 32, "in_channels": 3} | sizes
    with pytest.raises(ValueError, match=message):
        VGG(ModelConfig(), NormConfig(), **arguments)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"image_size = \(64, 64\): must be 32"):
        small()(images(1, 3, 64))
