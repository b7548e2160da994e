"""Checks of a config that need more than the config: its net, its parent's weights, its paths."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from vgglab.config import Config, DataConfig, FilesConfig
from vgglab.config.model import ModelConfig
from vgglab.config.nets import shipped
from vgglab.config.parent import parent_of
from vgglab.config.parse import ConfigError, shown
from vgglab.models.layers import check_sizes, map_size, shared_with_a

SHAPES = ("name", "blocks", "layers", "hidden", "width", "pooling")
"""Fields of a model that decide the shapes of its weights."""


def check_net(config: Config) -> None:
    """See that the net fits its images and its parent's weights fit the net.

    Raises:
        ConfigError: they do not.
    """
    try:
        check_sizes(
            config.model,
            classes=config.data.classes,
            image_size=config.data.image_size,
            in_channels=_channels(config.data),
        )
    except ValueError as error:
        raise ConfigError(f"data.{error}") from error
    parent = parent_of(config)
    if parent is None:
        return
    if config.init.name == "pretrained_a":
        _check_pretrained(config, parent)
    else:
        _check_same_net(config, parent)
    check_net(parent)


def _check_pretrained(config: Config, parent: Config) -> None:
    if not shared_with_a(config.model):
        allowed = ", ".join(name for name in shipped() if shared_with_a(ModelConfig(name=name)))
        raise ConfigError(
            f"init=pretrained_a: model={config.model.name} has not the layers of A that it copies; "
            f"must be one of {allowed}, or a net with these"
        )
    if parent.model.name != "a":
        raise ConfigError(
            f"init.parent.model.name = {parent.model.name}: init=pretrained_a copies from a"
        )
    ours = config.model
    as_ours = dataclasses.replace(
        parent.model, name=ours.name, blocks=ours.blocks, layers=ours.layers
    )
    _check_same_net(config, dataclasses.replace(parent, model=as_ours))


def _check_same_net(config: Config, parent: Config) -> None:
    ours, theirs = config.model, parent.model
    for field, wanted, found in (
        *((f"model.{name}", getattr(ours, name), getattr(theirs, name)) for name in SHAPES),
        ("norm.name", config.norm.name, parent.norm.name),
        ("data.classes", config.data.classes, parent.data.classes),
        ("colour channels", _channels(config.data), _channels(parent.data)),
        ("map before the first fully connected layer", _last_map(config), _last_map(parent)),
    ):
        if wanted != found:
            raise ConfigError(
                f"init={config.init.name}: its parent's {field} is {found}, must be {wanted} "
                "for its weights to fit"
            )


def _last_map(config: Config) -> int:
    return map_size(config.model, config.data.image_size)


def _channels(config: DataConfig) -> int:
    """Colour channels of the images."""
    # Not above: it loads NumPy and Pillow, for which a typo need not wait.
    from vgglab.data.sources import registry

    return registry.channels(config)


def check_paths(config: Config) -> None:
    """See that every name of a folder or a file can be one, before anything is written.

    Raises:
        ConfigError: a name is too long or not legal, or a file is where a folder would be made.
    """
    folders = {f"paths.{name}": getattr(config.paths, name) for name in ("runs", "studies", "data")}
    for field, text in folders.items():
        path = _at_home(field, text)
        there = next(at for at in (path, *path.parents, Path()) if _is_there(field, text, at))
        if not there.is_dir():
            raise ConfigError(f"{field} = {shown(text)}: {there} is a file, and no folder")
    others = {"prepare.copy": config.prepare.copy, "weights": config.weights}
    others |= {"bundle": config.bundle, "table": config.table, "judge.ledger": config.judge.ledger}
    if isinstance(config.data, FilesConfig):
        others["data.root"] = config.data.root
    for field in ("run", "fuse", "baseline", "candidate"):
        value = getattr(config, field)
        for name in (value,) if isinstance(value, str) else value:
            _at_home(field, name)
            _is_there(field, name, config.paths.run_folder(name))
    for field, text in others.items():
        _is_there(field, text, _at_home(field, text))


def _at_home(field: str, text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{field} = {text}: there is no such user") from error


def _is_there(field: str, text: str, path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{field} = {shown(text)}: {reason}") from error
