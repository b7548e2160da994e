"""Published weights under our protocols, beside the errors that they claim. Loads torch."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path

from torch import Tensor

from vgglab.config import Config, FolderConfig, plain
from vgglab.config.parse import ConfigError, parse
from vgglab.data.normalise import Normalisation
from vgglab.data.sources.registry import channels, listing_of, load_splits
from vgglab.data.splits import WholeImages
from vgglab.data.unreadable import unreadable_files
from vgglab.evaluation.published_errors import published_errors
from vgglab.models import torchvision_weights as published
from vgglab.models.layers import map_size
from vgglab.models.torchvision_weights import TORCHVISION_CROP, TORCHVISION_RESIZE, PublishedNet
from vgglab.models.weight_files import WeightsError
from vgglab.runs import RunDirectory
from vgglab.runs.records import Result, write_result
from vgglab.training.distributed import ProcessGroup
from vgglab.training.net import empty_net, stored_net
from vgglab.training.process import prepare_process
from vgglab.training.testing import HeldOut, evaluate
from vgglab.workflow.evaluation import ERRORS, skipped_note
from vgglab.workflow.output import Row, print_rows
from vgglab.workflow.provenance import write_config
from vgglab.world import ALONE

MOST_SHOWN = 12
"""Class folders in a message."""


def evaluate_weights(config: Config) -> None:
    """Test published weights, keep their predictions, and print measured beside published errors.

    Raises:
        ConfigError: the weights cannot be had, or do not fit the images.
        DataError: the images cannot be had.
    """
    _refuse_checkpoint(config)
    try:
        state = published.load_weights(config.weights)
        published.check_finite(state, config.weights)
        about = published.net_of(state, config.weights)
        wanted = config_for(about, config)
        published.check_fits(state, about, empty_net(wanted).state_dict(), config.weights)
        state = _in_order_of_labels(state, wanted)
        if config.weights_preprocessing == "caffe_bgr":
            state = published.with_rgb(state)
    except WeightsError as error:
        raise ConfigError(str(error)) from error
    for line in unknowns(wanted):
        print(f"note: {line}", file=sys.stderr)
    directory = _directory(wanted)
    prepare_process(wanted.trainer)
    normalise = _normalisation(wanted)
    net = stored_net(wanted, state)
    held_out = HeldOut(images_of(wanted), normalise)
    tested = evaluate(wanted, directory, net, held_out, ProcessGroup(ALONE), wanted.procedures)
    result: Result = {"run": directory.id, "weights": config.weights}
    result.update(tested)
    write_config(directory, wanted)
    write_result(directory, result)
    rows = [
        _row(wanted, label, {**errors, **tested["tests"][label]})
        for label, errors in tested["errors"].items()
    ]
    print_rows(rows, config.format)
    if note := skipped_note(result):
        print(note, file=sys.stderr)
    if config.format == "table":
        print(
            "published: ILSVRC-2012 validation, 256 px, centre crop of 224 px (protocol=center); "
            f"predictions: {directory.path}"
        )


def _refuse_checkpoint(config: Config) -> None:
    """See that the weights are not those of a run of ours, whose own preprocessing they would lack.

    Raises:
        ConfigError: they are.
    """
    path = Path(config.weights).expanduser().absolute()
    folder = RunDirectory(path.parent.parent)
    if path.parent == folder.checkpoints and folder.config.is_file():
        raise ConfigError(
            f"weights={config.weights}: a checkpoint of the run {folder.id}, which is tested by "
            f"run={shlex.quote(str(folder.path))}"
        )


def _normalisation(config: Config) -> Normalisation:
    if config.weights_preprocessing.startswith("caffe"):
        return Normalisation(published.CAFFE_MEAN, (1.0, 1.0, 1.0))
    return Normalisation(
        tuple(255 * value for value in published.TORCHVISION_MEAN),
        tuple(255 * value for value in published.TORCHVISION_DEVIATION),
    )


def _in_order_of_labels(state: dict[str, Tensor], config: Config) -> dict[str, Tensor]:
    """The weights with their outputs in the order of the labels, where ``weights_classes`` says
    which order they have.

    Raises:
        ConfigError: the file cannot be read, or the data set has no class folders.
        WeightsError: it names other classes.
    """
    if not config.weights_classes:
        return state
    if not isinstance(config.data, FolderConfig):
        raise ConfigError(f"weights_classes: data={config.data.name} has no class folders")
    try:
        text = Path(config.weights_classes).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"weights_classes = {config.weights_classes}: {error}") from error
    return published.in_order(state, text.splitlines(), listing_of(config.data).classes)


def unknowns(config: Config) -> list[str]:
    """What nothing says of the weights and is therefore assumed, with the way to say it."""
    lines = []
    if config.weights_preprocessing == "auto" and not published.is_torchvisions(config.weights):
        lines.append(
            f"nothing says how the images of {config.weights} were prepared: torchvision's way is "
            "taken; weights_preprocessing=caffe_rgb or caffe_bgr is Caffe's, torchvision says so"
        )
    if isinstance(config.data, FolderConfig) and not config.weights_classes:
        classes = listing_of(config.data).classes
        numbers = all(name.isascii() and name.isdigit() for name in classes)
        if numbers and list(classes) != sorted(classes, key=int):
            why = "sorted as text, in which 10 comes before 2"
        elif published.is_torchvisions(config.weights):
            return lines  # class folders of ImageNet sort as torchvision's outputs do
        else:
            why = "sorted by name"
        shown = ", ".join(classes[:MOST_SHOWN]) + (", ..." if len(classes) > MOST_SHOWN else "")
        lines.append(
            f"the outputs are taken for the class folders {why}: {shown}; another order is "
            "weights_classes=FILE, a class a line"
        )
    return lines


def images_of(config: Config) -> WholeImages:
    """The test split. Of a folder without one, its validation images, or all there are: of what
    these weights were trained on, nothing is kept apart by splitting it off.

    Raises:
        DataError: the images cannot be had.
    """
    if not isinstance(config.data, FolderConfig):
        return load_splits(config.data, config.paths.data_folder).test
    listing = listing_of(config.data)
    members = (listing.members(split) for split in ("test", "validation", "train"))
    files = listing.file_set(next(found for found in members if len(found)))
    if config.data.on_error == "skip":
        return files.with_skipped(unreadable_files(listing, config.paths.data_folder))
    return files


def config_for(about: PublishedNet, config: Config) -> Config:
    """The config of the net that the weights are of, tested at torchvision's scale.

    Raises:
        ConfigError: the images are not what the net was made for.
    """
    side = config.data.image_size
    fits = {
        f"data.classes = {config.data.classes}": about.classes == config.data.classes,
        f"data.image_size = {side}": about.map_size == map_size(about.model, side),
        f"data={config.data.name}": about.in_channels == channels(config.data),
    }
    for what, does in fits.items():
        if not does:
            raise ConfigError(
                f"{what}: these weights are of {about.classes} classes, a last map of "
                f"{about.map_size} x {about.map_size} (7 x 7 at 224 px) and {about.in_channels} "
                "colour channels"
            )
    tree = plain(config)
    tree["task"] = {"name": "train"}  # the protocols are checked as those of a run are
    tree["model"] = plain(about.model)
    tree["norm"] = dataclasses.asdict(about.norm)
    if not config.recipe.scale_min:
        scale = round(side * TORCHVISION_RESIZE / TORCHVISION_CROP)
        tree["recipe"] |= {"scale_min": scale, "scale_max": scale}
    return parse(tree)


def _directory(config: Config) -> RunDirectory:
    """``studies/<study>/weights/<name>``: its files are those of a run."""
    name = Path(config.weights).stem.replace(":", "-")
    return RunDirectory(config.study_folder / "weights" / name)


def torchvision_name(config: Config) -> str:
    """What torchvision calls the weights, if their name says that they are its own: ``vgg16_bn`` of
    ``torchvision:vgg16_bn`` and of its file ``vgg16_bn-6c64b313.pth``; else empty."""
    name = published.torchvision_net(config.model, config.norm)
    said = Path(config.weights).stem.removeprefix("torchvision:").partition("-")[0]
    is_whole = config.model.width == 1 and config.data.classes == 1000
    is_theirs = published.is_torchvisions(config.weights)  # Caffe's file begins with vgg16- too
    return name if said == name and is_whole and is_theirs else ""


def _row(config: Config, label: str, found: Row) -> Row:
    said = published_errors().get(torchvision_name(config), ("", ""))
    return {
        "net": config.weights,
        "model": f"{config.model.name}{'-bn' if config.norm.name == 'batch' else ''}",
        "protocol": label,
        "scales": found["scales"],
        **{error: found.get(error) for error in ERRORS},
        "published top1_error": said[0],
        "published top5_error": said[1],
        "images": found["images"],
        "seconds": found["seconds"],
    }
