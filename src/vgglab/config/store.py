"""Hands the defaults of the dataclasses to Hydra, so that YAML says only what differs."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from vgglab.config import wandb_variables
from vgglab.config.data import DATA_SETS
from vgglab.config.experiment import Config
from vgglab.config.parse import is_value
from vgglab.config.protocol import TOP_K, usual_top_k
from vgglab.config.recipe import usual_scale

_group_exists = ConfigRepository.group_exists


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def defaults_of(schema: type) -> dict[str, Any]:
    """Defaults of a config dataclass as the plain tree that Hydra composes."""
    tree = dataclasses.asdict(schema(), dict_factory=lambda items: {k: _plain(v) for k, v in items})
    assert isinstance(tree, dict)
    return tree


def data_defaults(name: str) -> dict[str, Any]:
    """Defaults of a data set by its name."""
    return defaults_of(DATA_SETS[name]) | {"name": name}


def _usual_scale_of(crop: Any) -> int:
    """``usual_scale``, for YAML; 0 for what is no number, which the field of the crop refuses."""
    return usual_scale(crop) if isinstance(crop, int) else 0


def _usual_top_k_of(classes: Any) -> list[int]:
    """``usual_top_k``, for YAML, of a data set whose classes are a field; others have enough."""
    return list(usual_top_k(classes) if isinstance(classes, int) else TOP_K)


def _group_that_is_no_field(self: ConfigRepository, config_path: str) -> bool:
    """``group_exists``, which takes every folder on the search path for a group: ``studies/`` in
    the checkout, or ``weights/`` beside the configs of a user, hid the field of that name."""
    return not is_value(config_path) and _group_exists(self, config_path)


def register() -> None:
    """Make the schemas known to Hydra under ``schema/``, and the resolvers that YAML uses."""
    ConfigRepository.group_exists = _group_that_is_no_field  # type: ignore[method-assign]
    OmegaConf.register_new_resolver("usual_scale", _usual_scale_of, replace=True)
    OmegaConf.register_new_resolver("usual_top_k", _usual_top_k_of, replace=True)
    OmegaConf.register_new_resolver("expanduser", os.path.expanduser, replace=True)
    wandb_variables.register()
    store = ConfigStore.instance()
    root = defaults_of(Config)
    del root["data"]  # its fields depend on the data set
    root["model"]["blocks"] = []  # a net of the user's need not say what its blocks are not
    root["protocol"]["top_k"] = "${usual_top_k:${oc.select:data.classes,null}}"
    # W&B's own variables mean here what they mean to W&B.
    tracking = root["tracking"]
    for name in ("project", "entity"):
        usual = "null" if tracking[name] is None else tracking[name]
        tracking[name] = f"${{wandb_text:WANDB_{name.upper()},{usual}}}"
    tracking["code"] = f"${{wandb_code:{str(tracking['code']).lower()}}}"
    node = OmegaConf.create(root)
    # A parent may have any field of a config, so an override of one needs no ``+``.
    OmegaConf.set_struct(node.init.parent, False)
    OmegaConf.set_struct(node.study.tune, False)  # its keys are names of fields
    store.store(group="schema", name="config", node=node)
    for name in DATA_SETS:
        store.store(group="schema/data", name=name, node=data_defaults(name))
