"""From overrides to checked configs, inside a running Hydra application."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from vgglab.config import Config
from vgglab.config.claims import Claim, parse_claims
from vgglab.config.parse import ConfigError, parse
from vgglab.workflow.checks import check_net, check_paths
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
    return checked(compose("config", overrides=list(overrides)))


def grid_of_this_command(leave_out: tuple[str, ...] = ()) -> list[list[str]]:
    """The overrides of every point of ``sweeps=NAME``, as Hydra's own sweeper expands them.

    Overrides of this command that begin with one of ``leave_out`` are not of the points.

    Raises:
        ConfigError: no sweep is named.
    """
    hydra = HydraConfig.get()
    if not has_sweep():
        raise ConfigError(f"task={hydra.runtime.choices['task']} needs a study: sweeps=NAME")
    params: Any = OmegaConf.to_container(hydra.sweeper.params, resolve=True)
    texts = [f"{key}={value}" for key, value in params.items()]
    texts += [
        text for text in hydra.overrides.task if not text.startswith((*NOT_OF_A_POINT, *leave_out))
    ]
    return expanded(texts)


def expanded(overrides: Sequence[str]) -> list[list[str]]:
    """The points of a grid: every combination of the values that its overrides list.

    The same as Hydra's basic sweeper makes of them, whose own function is private.

    Raises:
        ConfigError: an override draws from an interval, which no grid has.
    """
    values: dict[str, list[str]] = {}  # of a key that is there twice, the last one counts
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        if not override.is_sweep_override():
            values[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise ConfigError(f"{override.input_line}: a grid takes lists of values, such as 1,2,3")
    return [list(point) for point in itertools.product(*values.values())]


def sweep_choice() -> str:
    """The name of the sweep that the command chose."""
    return str(HydraConfig.get().runtime.choices["sweeps"])


def has_sweep() -> bool:
    """Whether the composed config describes a grid."""
    return bool(HydraConfig.get().sweeper.params)
