"""Hands the defaults of the dataclasses to Hydra, so that YAML says only what differs."""

from __future__ import annotations

import dataclasses
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from vgglab.config.data import (
    CifarConfig,
    ClutteredDigitsConfig,
    DigitsConfig,
    FolderConfig,
    ImagenetConfig,
    ImagenetteConfig,
)
from vgglab.config.experiment import Config

DATA_SCHEMAS = {
    "digits": DigitsConfig,
    "cluttered_digits": ClutteredDigitsConfig,
    "cifar": CifarConfig,
    "folder": FolderConfig,
    "imagenet": ImagenetConfig,
    "imagenette": ImagenetteConfig,
}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def defaults_of(schema: type) -> dict[str, Any]:
    """A config dataclass's defaults as the plain tree that Hydra composes."""
    tree = dataclasses.asdict(schema(), dict_factory=lambda items: {k: _plain(v) for k, v in items})
    assert isinstance(tree, dict)
    return tree


def register() -> None:
    """Make the schemas known to Hydra under ``schema/``."""
    store = ConfigStore.instance()
    root = defaults_of(Config)
    del root["data"]  # which fields it has depends on the data set
    node = OmegaConf.create(root)
    # Its fields are those of any config: whoever names one needs no ``+``.
    OmegaConf.set_struct(node.init.parent, False)
    store.store(group="schema", name="config", node=node)
    for name, schema in DATA_SCHEMAS.items():
        store.store(group="schema/data", name=name, node=defaults_of(schema))
