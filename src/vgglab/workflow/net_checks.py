"""Whether a config's net fits its images, and its parent's weights fit the net."""

from __future__ import annotations

import dataclasses

from vgglab.config import Config
from vgglab.config.nets import NETS
from vgglab.config.parent import parent_of
from vgglab.config.parse import ConfigError
from vgglab.data.sources.registry import channels
from vgglab.models.layers import check_sizes, map_size, shared_with_a


def check_net(config: Config) -> None:
    """See that the net fits its images and its parent's weights fit the net.

    Raises:
        ConfigError: they do not.
    """
    try:
        check_sizes(
            config.model.name,
            classes=config.data.classes,
            image_size=config.data.image_size,
            in_channels=channels(config.data),
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
    if not shared_with_a(config.model.name):
        allowed = ", ".join(name for name in NETS if shared_with_a(name))
        raise ConfigError(
            f"init=pretrained_a: model={config.model.name} has not the layers of A that it copies; "
            f"must be one of {allowed}"
        )
    if parent.model.name != "a":
        raise ConfigError(
            f"init.parent.model.name = {parent.model.name}: init=pretrained_a copies from a"
        )
    as_a = dataclasses.replace(parent.model, name=config.model.name)
    _check_same_net(config, dataclasses.replace(parent, model=as_a))


def _check_same_net(config: Config, parent: Config) -> None:
    for field, ours, theirs in (
        ("model.name", config.model.name, parent.model.name),
        ("model.width", config.model.width, parent.model.width),
        ("norm.name", config.norm.name, parent.norm.name),
        ("data.classes", config.data.classes, parent.data.classes),
        ("colour channels", channels(config.data), channels(parent.data)),
        ("map before the first fully connected layer", _last_map(config), _last_map(parent)),
    ):
        if ours != theirs:
            raise ConfigError(
                f"init={config.init.name}: its parent's {field} is {theirs}, must be {ours} "
                "for its weights to fit"
            )


def _last_map(config: Config) -> int:
    return map_size(config.model.name, config.data.image_size)
