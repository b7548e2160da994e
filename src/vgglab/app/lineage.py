"""A run, its directory, and the runs that its first weights come from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from vgglab.config import Config
from vgglab.config.check import ConfigError
from vgglab.config.parent import ancestors, parent_of
from vgglab.data.sources import channels, fingerprint
from vgglab.models.layers import check_sizes, map_size, shared_with_a
from vgglab.runs import RunDirectory, run_id


@dataclass(frozen=True)
class Stage:
    """A run of a chain."""

    config: Config
    """Resolved."""
    directory: RunDirectory
    parent: RunDirectory | None = None
    """Where its first weights come from."""


def stages_of(config: Config) -> list[Stage]:
    """The run of a resolved config after all that it starts from, in the order of training."""
    found: list[Stage] = []
    parent: RunDirectory | None = None
    for each in [*reversed(ancestors(config)), config]:
        identity = run_id(each, fingerprint(each.data), parent.id if parent else "")
        directory = RunDirectory(Path(each.paths.runs) / identity)
        found.append(Stage(each, directory, parent))
        parent = directory
    return found


def stage_of(config: Config) -> Stage:
    """The run of a resolved config."""
    return stages_of(config)[-1]


def directory_of(config: Config) -> RunDirectory:
    """Where a resolved config's run lives."""
    return stage_of(config).directory


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
        raise ConfigError(
            f"init=pretrained_a: model={config.model.name} has not the layers of A that it copies; "
            "must be one of b, c, d, e"
        )
    # A's name is what the choice says, and the last map may differ in nothing else.
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
