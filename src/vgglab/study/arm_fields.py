"""What the points of a study share, and where they differ besides the factors it asks about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from vgglab.config import Config, plain
from vgglab.study.arms import Arm
from vgglab.study.view import StudyView

FACTORS = ("model.name", "norm.name", "init.name")
"""What an arm is named after."""
_SECTIONS = ("model", "norm", "init", "data", "recipe", "protocol")
"""Config groups that decide what a run computes; of ``trainer`` only the precision
does, and what ``_division`` names."""


_NOT_COMPUTED = ("protocol.also", "data.root")
"""Fields of these groups that do not decide it: further tests, and where the files are."""


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``("recipe.schedule.name", "cosine")`` for every leaf of a nested mapping."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", tuple(value) if isinstance(value, list) else value


def semantic_fields(described: Config) -> dict[str, Any]:
    """The leaves that decide what a run computes, seed left out."""
    config = plain(described)
    flat = flatten({name: config[name] for name in _SECTIONS if name in config})
    fields = {name: value for name, value in flat if name not in _NOT_COMPUTED}
    trainer = config.get("trainer", {})
    if "precision" in trainer:
        fields["trainer.precision"] = trainer["precision"]
    return fields | _division(config)


def _division(config: Mapping[str, Any]) -> dict[str, Any]:
    """How a step was divided, where that changes its result; see ``vgglab.config.division``."""
    if "devices" not in config or "trainer" not in config:
        return {}
    trainer, processes = config["trainer"], config["devices"] * config["nodes"]
    found: dict[str, Any] = {}
    if config["norm"]["name"] == "batch":
        if trainer["accumulate"] > 1:
            found["trainer.accumulate"] = trainer["accumulate"]
        if trainer["batch_norm"] == "local" and processes > 1:
            found |= {"trainer.batch_norm": "local", "devices": processes}
    if processes > 1 and trainer["compress_gradients"] != "none":
        found |= {"trainer.compress_gradients": trainer["compress_gradients"]}
    return found


def _telling(fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The fewest fields, names before values, that with the factors tell all points apart."""
    names = {name for values in fields.values() for name in values} - set(FACTORS)
    kept: list[str] = []
    groups = _group(fields, kept)
    for name in sorted(names, key=lambda n: (not n.endswith(".name"), n)):
        # A field that splits nothing further follows from those before it, or from the factors.
        finer = _group(fields, [*kept, name])
        if len(finer) > len(groups):
            kept, groups = [*kept, name], finer
    return kept


def _group(fields: Mapping[str, Mapping[str, Any]], names: list[str]) -> set[tuple[Any, ...]]:
    return {tuple(values.get(n) for n in (*FACTORS, *names)) for values in fields.values()}


def variants(view: StudyView) -> dict[str, str]:
    """Point id -> the fields that tell it from others of equal model, norm and init.

    Empty where seeds are all that is repeated. Without it a sweep over, say, the width would pool
    different nets into one mean.
    """
    fields = {point.id: semantic_fields(point.config) for point in view.points}
    telling = _telling(fields)
    return {
        point_id: ", ".join(f"{name}={values.get(name)}" for name in telling)
        for point_id, values in fields.items()
    }


def arms(view: StudyView) -> dict[str, Arm]:
    """Point id -> the arm that its seed repeats."""
    variant = variants(view)
    return {
        point.id: Arm(
            model=point.config.model.name,
            norm=point.config.norm.name,
            init=point.config.init.name,
            variant=variant[point.id],
        )
        for point in view.points
    }


def values_by_arm(view: StudyView) -> dict[str, dict[Any, list[Arm]]]:
    """Field -> value -> arms that have it, for every field that decides what a run computes.

    A field with two values here differs between arms: a possible cause of their difference that
    is not the one in their names. Factors are left out.
    """
    arm_of = arms(view)
    found: dict[str, dict[Any, set[Arm]]] = defaultdict(lambda: defaultdict(set))
    for point in view.points:
        for name, value in semantic_fields(point.config).items():
            if name not in FACTORS:
                found[name][value].add(arm_of[point.id])
    return {
        name: {value: sorted(members) for value, members in by_value.items()}
        for name, by_value in found.items()
    }
