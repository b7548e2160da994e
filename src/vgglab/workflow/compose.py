"""From overrides to checked configs, inside a running Hydra application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from vgglab.config import Config
from vgglab.config.choices import check_choices
from vgglab.config.claims import Claim, parse_claims
from vgglab.config.parse import ConfigError, parse
from vgglab.workflow.checks import check_net, check_paths
from vgglab.workflow.designs import designed
from vgglab.workflow.resolve import resolve

NOT_OF_A_POINT = ("task=", "format=", "hydra.", "hydra/")
"""How overrides begin that are about the command."""


def checked(composed: DictConfig) -> Config:
    """The typed, checked and machine-resolved config of a composed one."""
    tree: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    tree.pop("hydra", None)
    for group in ("experiments", "sweeps"):  # an empty choice leaves its name behind
        tree.pop(group, None)
    parse_claims(tree.pop("claims", None))  # refused here, before anything trains
    config = resolve(parse(tree))
    check_net(config)
    check_paths(config)
    return config


def composed_claims(overrides: Sequence[str]) -> dict[str, Claim]:
    """The claims of the study of these points.

    Not a part of any run's config: a run does not depend on what it is taken to show.
    """
    composed = compose("config", overrides=list(overrides))
    tree: Any = OmegaConf.to_container(composed, resolve=True)
    return parse_claims(tree.get("claims"))


def compose_point(overrides: Sequence[str]) -> Config:
    """The config of one point of a sweep."""
    composed = compose("config", overrides=list(overrides), return_hydra_config=True)
    check_choices(composed.hydra.runtime.choices, overrides)
    return checked(OmegaConf.masked_copy(composed, [str(k) for k in composed if k != "hydra"]))


def checked_command(composed: DictConfig) -> Config:
    """The config of the command itself, checked as that of a point is."""
    hydra = HydraConfig.get()
    check_choices(hydra.runtime.choices, hydra.overrides.task)
    return checked(composed)


def grid_of_this_command(leave_out: tuple[str, ...] = ()) -> list[list[str]]:
    """The overrides of every point of ``sweeps=NAME``, the same that ``-m`` makes.

    Overrides of this command that begin with one of ``leave_out`` are not of the points.

    Raises:
        ConfigError: no sweep is named, or its design cannot be made.
    """
    hydra = HydraConfig.get()
    if not has_sweep():
        raise ConfigError(f"task={hydra.runtime.choices['task']} needs a study: sweeps=NAME")
    params: Any = OmegaConf.to_container(hydra.sweeper.params, resolve=True)
    own = [o for o in hydra.overrides.task if not o.startswith((*NOT_OF_A_POINT, *leave_out))]
    return designed([f"{key}={value}" for key, value in params.items()], own)


def sweep_choice() -> str:
    """The name of the sweep that the command chose."""
    return str(HydraConfig.get().runtime.choices["sweeps"])


def has_sweep() -> bool:
    """Whether the composed config describes a grid."""
    return bool(HydraConfig.get().sweeper.params)
