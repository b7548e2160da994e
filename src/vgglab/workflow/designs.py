"""Designs: which combinations of the values that a sweep lists are its points.

Hydra's own sweeper knows the full grid alone, and composes each of its points before the launcher
sees one. Here the design is applied to the overrides, before any point is composed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from vgglab.config import SEED
from vgglab.config.parse import ConfigError

DESIGN = "study.design"

Lists = Mapping[str, Sequence[str]]
"""Key of an override -> the overrides that it stands for, one a value, in their order."""


def designed(params: Sequence[str], own: Sequence[str]) -> list[list[str]]:
    """The overrides of every point of a sweep, in the order of the full grid.

    Args:
        params: of the sweep's ``hydra.sweeper.params``; lists of values among them.
        own: of the command, in place of those of the same key.

    Raises:
        ConfigError: the design cannot be made of these lists, or an override draws from an
            interval.
    """
    lists = listed([*params, *own])
    # As Hydra has composed it for the command itself: without what the points vary.
    usual = compose("config", overrides=_constant(own), return_hydra_config=True)
    design = _one_design(lists) or OmegaConf.select(usual, DESIGN)
    factors = [key for key, values in lists.items() if len(values) > 1 and bare(key) != SEED]
    chosen: list[tuple[int, ...]] | None = None  # a name that is no design is refused later
    if design == "zip":
        chosen = _zipped(lists, factors)
    elif design == "one_at_a_time":
        chosen = _one_at_a_time(lists, factors, usual)
    return combined(lists, chosen, factors)


def listed(overrides: Sequence[str]) -> dict[str, list[str]]:
    """The values of each key; of a key that is there twice, the last one counts.

    Raises:
        ConfigError: an override draws from an interval, which no design has.
    """
    values: dict[str, list[str]] = {}
    for override in _parsed(overrides):
        key = override.get_key_element()
        if not override.is_sweep_override():
            values[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise ConfigError(f"{override.input_line}: a grid takes lists of values, such as 1,2,3")
    return values


def combined(
    lists: Lists,
    chosen: Sequence[Sequence[int]] | None = None,
    factors: Sequence[str] = (),
) -> list[list[str]]:
    """The points of a design.

    Args:
        lists: the values of every key.
        chosen: for each combination of the factors, the place of each factor's value in its list;
            None: all combinations.
        factors: keys of the factors. Other keys cross with every combination.

    Returns:
        The overrides of each point, in the order in which the full grid has them.
    """
    if chosen is None:
        return [list(point) for point in itertools.product(*lists.values())]
    others = [key for key in lists if key not in factors]
    found = []
    for combination in chosen:
        of = dict(zip(factors, combination, strict=True))
        for places in itertools.product(*(range(len(lists[key])) for key in others)):
            of |= dict(zip(others, places, strict=True))
            found.append(tuple(of[key] for key in lists))
    return [
        [lists[key][place] for key, place in zip(lists, point, strict=True)]
        for point in sorted(set(found))
    ]


def _zipped(lists: Lists, factors: Sequence[str]) -> list[tuple[int, ...]]:
    lengths = {key: len(lists[key]) for key in factors}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise ConfigError(
            f"{DESIGN} = zip: {counts} values; lists that are taken together are equally long or "
            "of one value (seed alone crosses with them all)"
        )
    return [(place,) * len(factors) for place in range(max(lengths.values(), default=1))]


def _one_at_a_time(
    lists: Lists, factors: Sequence[str], usual: DictConfig
) -> list[tuple[int, ...]]:
    base = tuple(_base(lists[key], usual) for key in factors)
    return [base] + [
        (*base[:i], place, *base[i + 1 :])
        for i, key in enumerate(factors)
        for place in range(len(lists[key]))
        if place != base[i]
    ]


def _base(values: Sequence[str], usual: DictConfig) -> int:
    """The place of the value that the command has without the list; the first if it is none."""
    matching = (i for i, found in enumerate(_parsed(values)) if _is_usual(found, usual))
    return next(matching, 0)


def _is_usual(override: Override, usual: DictConfig) -> bool:
    key, value = override.key_or_group, override.value()
    choices = usual.hydra.runtime.choices
    if key in choices and not isinstance(value, Mapping):
        return bool(choices[key] == value)
    return _agrees(value, OmegaConf.select(usual, key.replace("/", ".")))


def _agrees(value: Any, known: Any) -> bool:
    """Whether a value changes nothing; of a group's fields, those that it names."""
    if isinstance(value, Mapping):
        return OmegaConf.is_dict(known) and all(
            _agrees(v, OmegaConf.select(known, str(k))) for k, v in value.items()
        )
    return bool(value == known)


def _constant(overrides: Sequence[str]) -> list[str]:
    return [o.input_line for o in _parsed(overrides) if not o.is_sweep_override() and o.input_line]


def _one_design(lists: Lists) -> str:
    """The design that the sweep's own overrides name; empty where they name none."""
    found = next((texts for key, texts in lists.items() if bare(key) == DESIGN), ())
    values = [text.partition("=")[2] for text in found]
    if len(values) > 1:
        raise ConfigError(f"{DESIGN} = {','.join(values)}: a study has one design")
    return "".join(values)


def bare(key: str) -> str:
    return key.lstrip("+")


def _parsed(overrides: Sequence[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(overrides))
