"""Weights that others have published for the same nets, in torchvision's format."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.config.nets import shipped
from vgglab.models.layers import scaled
from vgglab.models.weight_files import WeightsError, names_of, read_weights, what_it_is

SOURCE = "torchvision:"
DEPTHS = (11, 13, 16, 19)
"""Weight layers of torchvision's nets, which are A, B, D and E."""
NAMES = tuple(f"vgg{depth}{norm}" for depth in DEPTHS for norm in ("", "_bn"))
"""Names of torchvision's weights for nets of ours."""
TORCHVISION_MEAN = (0.485, 0.456, 0.406)
TORCHVISION_DEVIATION = (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's RGB in [0, 1], by which torchvision normalised its images."""
TORCHVISION_RESIZE, TORCHVISION_CROP = 256, 224
"""Shorter side and centre crop of torchvision's test, px."""
LINEARS = ("classifier.0", "classifier.3", "classifier.6")
"""Fully connected layers, in torchvision's names and in ours."""
COUNTS = ".num_batches_tracked"
"""Ends the name of batch norm's counts."""
MOST_UNITS = 65_536
"""Of a fully connected layer at width 1, as ``model.hidden`` takes them."""
CAFFE_MEAN = (123.68, 116.779, 103.939)
"""Mean of ImageNet's RGB, 0 to 255, that Caffe's nets subtract, the paper's own among them."""


@dataclass(frozen=True)
class PublishedNet:
    """The net that a state dict belongs to."""

    model: ModelConfig
    norm: NormConfig
    classes: int
    map_size: int
    """Side of the map that the first fully connected layer takes."""
    in_channels: int


def load_weights(name: str) -> dict[str, Tensor]:
    """Read a state dict by its name, such as ``torchvision:vgg16_bn``, or from a file.

    Raises:
        WeightsError: it is not there, or cannot be read.
    """
    if name.startswith(SOURCE):
        return _downloaded(name.removeprefix(SOURCE))
    path = Path(name).expanduser()
    if not path.is_file():
        raise WeightsError(f"weights={name}: no such file, and not {SOURCE}<name>")
    state = read_weights(path)
    # Caffe's nets, as others converted them, have the same three layers at 1, 4 and 6.
    layers = [k.rpartition(".")[0] for k in _linears(state)]
    usual = dict(zip(layers, LINEARS, strict=True)) if len(layers) == len(LINEARS) else {}
    parts = ((*key.rpartition("."), value) for key, value in state.items())
    return {usual.get(layer, layer) + dot + what: value for layer, dot, what, value in parts}


def _linears(state: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights of the fully connected layers."""
    return [k for k, v in state.items() if k.startswith("classifier.") and v.dim() == 2]


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """See that every weight is a number: a net with one that is not guesses, with a valid error.

    Raises:
        WeightsError: names the first tensor with another.
    """
    for key, value in state.items():
        if not value.isfinite().all():
            raise WeightsError(f"weights={name}: {key} has values that are NaN or infinite")


def check_fits(
    state: Mapping[str, Tensor], about: PublishedNet, empty: Mapping[str, Tensor], name: str
) -> None:
    """See that weights are those of the net that their kernels are of, tensor by tensor.

    Args:
        state: the weights.
        about: from ``net_of``.
        empty: state dict of that net; its tensors need no numbers.
        name: as they were asked for.

    Raises:
        WeightsError: names tensors that are missing, left over, or of another shape.
    """
    # torch before 0.4.1 saved no counts of batches, and nothing here needs them.
    missing = [key for key in empty if key not in state and not key.endswith(COUNTS)]
    beside = [key for key in state if key not in empty]
    shaped = [
        f"{key} is of {_shape(value)} and not {_shape(empty[key])}"
        for key, value in state.items()
        if key in empty and value.shape != empty[key].shape
    ]
    found = {"it lacks ": missing, "the net has no ": beside, "": shaped}
    wrong = [what + names_of(keys) for what, keys in found.items() if keys]
    if wrong:
        raise WeightsError(
            f"weights={name}: does not fit model={about.model.name} norm={about.norm.name} at "
            f"width {about.model.width:g}: {'; '.join(wrong)}"
        )


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "no dimension"


def _downloaded(name: str) -> dict[str, Tensor]:
    """Read weights from torch.hub's cache; if they are not there, download them and check them
    against the hash in their name."""
    from torchvision.models import get_model_weights

    if name not in NAMES:
        raise WeightsError(f"weights={SOURCE}{name}: must be one of {', '.join(NAMES)}")
    url = get_model_weights(name)["IMAGENET1K_V1"].url
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        state: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", check_hash=True, weights_only=True, progress=False
        )
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"weights={SOURCE}{name}: not in {folder} and the download failed ({error}); fetch "
            f"{url} on a machine with network, put it there and run again"
        ) from error
    return state


def is_torchvisions(name: str) -> bool:
    """Whether the name says that the weights are torchvision's own: ``torchvision:vgg16``, or a
    file with the name that torchvision gives it, in which its hash stands."""
    from torchvision.models import get_model_weights

    urls = (get_model_weights(net)["IMAGENET1K_V1"].url for net in NAMES)
    return name.startswith(SOURCE) or Path(name).name in {url.rpartition("/")[2] for url in urls}


def in_order(
    state: Mapping[str, Tensor], order: Sequence[str], classes: Sequence[str]
) -> dict[str, Tensor]:
    """The same weights with their outputs in the order of the classes.

    Args:
        state: Of a VGG; its last fully connected layer has a row a class.
        order: The class of each row.
        classes: In the order of their labels.

    Raises:
        WeightsError: they are not the same classes.
    """
    if sorted(order) != sorted(classes):
        odd = sorted(set(order) ^ set(classes))
        what = f"{odd[0]} is in one alone" if odd else "one is there twice"
        raise WeightsError(
            f"weights_classes: {len(order)} classes, and the data set has {len(classes)}: {what}"
        )
    last = [key for key, value in state.items() if key.startswith("classifier.")][-1]
    rows = [order.index(name) for name in classes]
    layer = last.rpartition(".")[0]
    return {k: v[rows] if k.rpartition(".")[0] == layer else v for k, v in state.items()}


def with_rgb(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights that took BGR images, as weights that take RGB."""
    first = next(key for key, value in state.items() if value.dim() == 4)
    return {key: value.flip(1) if key == first else value for key, value in state.items()}


def torchvision_net(model: ModelConfig, norm: NormConfig) -> str:
    """What torchvision calls the net, ``vgg16_bn``; empty where it has none with these layers."""
    depth = model.net.weight_layers
    same = replace(model, name="plain", blocks=(), layers=depth) if depth in DEPTHS else None
    usual = ModelConfig(name=model.name, blocks=model.blocks, layers=model.layers)
    is_usual = replace(usual, width=model.width, dropout=model.dropout, lrn=model.lrn) == model
    if same is None or same.net != model.net or not is_usual or norm.name not in ("none", "batch"):
        return ""
    return f"vgg{depth}{'_bn' if norm.name == 'batch' else ''}"


def _with_hidden(
    model: ModelConfig, linears: Sequence[Tensor], channels: int, weights: str
) -> ModelConfig:
    """The net with the fully connected layers that the weights have.

    Args:
        model: with the family's own.
        linears: weights of the fully connected layers.
        channels: of the last convolution.
        weights: the value of the field, which a message names.

    Raises:
        WeightsError: it has none such at its width.
    """
    units = tuple(linear.shape[0] for linear in linears[:-1])
    inputs = tuple(linear.shape[1] for linear in linears)
    usual = tuple(scaled(count, model.width) for count in model.hidden)
    # A table has them at width 1.
    hidden = tuple(round(count / model.width) for count in units)
    side = math.isqrt(inputs[0] // channels)
    follows = inputs == (channels * side**2, *units)
    is_ours = follows and all(
        scaled(at_1, model.width) == count and 1 <= at_1 <= MOST_UNITS
        for at_1, count in zip(hidden, units, strict=True)
    )
    if not is_ours:
        shapes = ", ".join(
            f"{n} to {len(linear)}" for n, linear in zip(inputs, linears, strict=True)
        )
        raise WeightsError(
            f"weights={weights}: fully connected layers of {shapes} units behind {channels} "
            f"channels are of no net of ours at width {model.width:g}"
        )
    return model if units == usual else replace(model, hidden=hidden)


def net_of(state: Mapping[str, Tensor], weights: str) -> PublishedNet:
    """Find the net and the width that a state dict belongs to.

    Raises:
        WeightsError: it belongs to none of our nets; the message names the ``weights`` it is from.
    """
    kernels = [v for k, v in state.items() if k.startswith("features.") and v.dim() == 4]
    linears = [state[key] for key in _linears(state)]
    if not kernels or len(linears) != 3:
        raise WeightsError(f"weights={weights}: {what_it_is(state)}")
    shapes = [(kernel.shape[0], kernel.shape[-1]) for kernel in kernels]
    channels = [count for count, _ in shapes]
    for name in shipped():
        table = ModelConfig(name=name).net.convolutions
        width = channels[0] / table[0].channels
        has_lrn = any(conv.lrn for conv in table)  # it has no weights, so none would be told apart
        if not has_lrn and [(scaled(c.channels, width), c.kernel) for c in table] == shapes:
            break
    else:
        raise WeightsError(
            f"weights={weights}: {len(channels)} convolutions of "
            f"{'-'.join(map(str, channels))} channels are not a net of ours at any width"
        )
    has_moments = any(key.endswith("running_mean") for key in state)
    return PublishedNet(
        model=_with_hidden(ModelConfig(name=name, width=width), linears, channels[-1], weights),
        norm=NormConfig(name="batch" if has_moments else "none"),
        classes=linears[-1].shape[0],
        map_size=round((linears[0].shape[1] / channels[-1]) ** 0.5),
        in_channels=kernels[0].shape[1],
    )
