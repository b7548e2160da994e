"""From composed plain values to a checked Config, or to one line that says what is wrong."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from vgglab.config.experiment import Config
from vgglab.config.fields import marks_of

_ADAPTER = TypeAdapter(Config)
LARGEST = 2**63
"""No number of ours is larger, and pydantic reads none that has thousands of digits."""
MOST_SHOWN = 120
"""Characters of a value in a message."""
MOST_SAID = 700
"""Characters of what is said of one field."""


class ConfigError(Exception):
    """A config that the user has to mend; the message is one line."""


def parse(values: Mapping[str, Any]) -> Config:
    """The typed config of a tree of plain values.

    Raises:
        ConfigError: names each field that is wrong, its value and what is allowed.
    """
    try:
        # As JSON, lists may become tuples while strings stay strings: strict, but for YAML.
        return _ADAPTER.validate_json(_as_json(values))
    except ValidationError as error:
        lines = [shortened(_explain(detail, values)) for detail in error.errors()]
        raise ConfigError("; ".join(dict.fromkeys(lines))) from error


def parse_stored(values: Mapping[str, Any]) -> Config:
    """The typed config of a run's ``config.yaml``, which an earlier version may have written.

    A semantic field that did not exist then has the value that means "as before", which need not be
    today's default.

    Raises:
        ConfigError: a field is wrong or unknown.
    """
    return parse(_as_before(Config, values))


def _as_before(schema: type, values: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for field in marks_of(schema):
        if field.name not in found:
            if field.since is not None and field.since.is_before is None:
                found[field.name] = field.since.before
        elif isinstance(below := found[field.name], Mapping):
            kinds = _children(schema, field.name)
            # Of the data sets, which share a field, the one that is named.
            for kind in kinds if len(kinds) == 1 else _named_so(kinds, below.get("name")):
                found[field.name] = _as_before(kind, below)
    return found


def _named_so(kinds: Iterable[type], name: Any) -> list[type]:
    """The config dataclasses whose ``name`` may have this value."""
    return [kind for kind in kinds if name in _names_of(kind)]


@functools.cache
def _names_of(kind: type) -> tuple[Any, ...]:
    return get_args(get_type_hints(kind)["name"])


def _as_json(values: Mapping[str, Any]) -> str:
    for field, value in _leaves(values):
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{_named(field)} = {value}: must be a finite number")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ConfigError(f"{_named(field)}: must be a number of fewer digits")
        for text in (field, value):
            if isinstance(text, str) and (text != printable(text) or "\0" in text):
                raise ConfigError(
                    f"{_named(field)} = {shown(value)}: must be text of Unicode, without NUL"
                )
    return json.dumps(values, allow_nan=False)


def _leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that holds no other, with its dotted path."""
    below: Iterable[tuple[Any, Any]] = ()
    if isinstance(values, Mapping):
        below = values.items()
    elif isinstance(values, list | tuple):
        below = enumerate(values)
    else:
        yield path, values
    for key, value in below:
        yield from _leaves(value, f"{path}.{key}" if path else str(key))


def printable(text: str) -> str:
    """The text without what no encoding can write: bytes of the command line that are not UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _named(field: str) -> str:
    return shortened(printable(field), MOST_SHOWN)


def shown(value: Any) -> str:
    """A value in a message of one line."""
    return shortened(json.dumps(value), MOST_SHOWN)


def shortened(text: str, most: int = MOST_SAID) -> str:
    """The beginning of a text that may be as long as somebody typed it."""
    return text if len(text) <= most else f"{text[:most]}..."


def _explain(detail: Any, values: Mapping[str, Any]) -> str:
    """One clause for one of pydantic's errors."""
    kind, where = detail["type"], _path(detail["loc"], values)
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
        return f"{where}.{message}" if where else message
    said = shown(detail["input"])
    if kind == "unexpected_keyword_argument":
        return f"{where} = {said}: {unknown_field(where)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        allowed = detail["ctx"].get("expected_tags", "one of the data sets")
        return f"{where}.name: must be one of {allowed.replace(chr(39), '')}"
    message = detail["msg"].removeprefix("Input should be ")
    told = f"{where} = {said}: must be {message}"
    if not isinstance(detail["input"], list) or not detail["input"] or kind.startswith("too_"):
        return told
    each = shortened(",".join(str(value) for value in detail["input"]), MOST_SHOWN)
    return f"{told}; a run of each is a sweep: -m {where}={each}"


def _path(location: tuple[str | int, ...], values: Mapping[str, Any]) -> str:
    """The dotted path of a field; the name of the data set and the kind of layer, which pydantic
    puts in, left out."""
    parts, node = [], values
    for part in location:
        if isinstance(node, Mapping) and part not in node and node.get("name") == part:
            continue
        if str(part).startswith("<"):  # the kind of layer that pydantic took an item for
            continue
        parts.append(str(part))
        node = node.get(str(part), {}) if isinstance(node, Mapping) else {}
    return ".".join(parts)


ELSEWHERE = {
    "arch": "model=",
    "callbacks": "recipe., trainer. and tracking., which say what they would do",
    "ckpt_path": "nothing: the same command goes on from its last checkpoint",
    "dataset": "data=",
    "exp": "experiments=",
    "experiment": "experiments=",
    "gpus": "devices=",
    "logger": "tracking=offline, online or off",
    "lr": "recipe.learning_rate=",
    "max_epochs": "recipe.epochs=",
    "net": "model=",
    "num_classes": "data.classes=",
    "num_nodes": "nodes=",
    "num_workers": "trainer.workers=",
    "optim": "recipe.optimizer=",
    "pretrained": "weights= to test, init=from_run to train on",
    "scheduler": "recipe.schedule.",
    "seed_everything": "seed=",
    "strategy": "trainer=ddp",
    "sweep": "-m sweeps=",
    "wandb": "tracking=",
    "wd": "recipe.weight_decay=",
}
"""What Hydra's templates, Lightning and timm call it -> what it is here."""


def unknown_field(path: str) -> str:
    """What is allowed in place of a dotted path that names no field."""
    *parents, name = path.split(".")
    owners = field_owners(parents)
    having = [owner for owner in owners if has_field(owner, name)]
    if 0 < len(having) < len(owners):
        kinds = sorted({kind for o in having for kind in get_args(get_type_hints(o)["name"])})
        named = " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
        return f"a field of {'.'.join(parents)}={named} alone"
    allowed = sorted({field.name for owner in owners for field in dataclasses.fields(owner)})
    here = ELSEWHERE.get(name) or " or ".join(f"{found}=" for found in paths_of(name))
    if here:
        return f"no such field; here it is {here}"
    if not allowed:
        return f"no such field; {'.'.join(parents)} has no fields"
    close = get_close_matches(name, allowed, n=1)
    hint = f"did you mean {'.'.join([*parents, close[0]])}? " if close else ""
    return f"no such field; {hint}allowed: {', '.join(allowed)}"


def has_field(owner: type, name: str) -> bool:
    """Whether a config dataclass has a field of that name."""
    return any(field.name == name for field in dataclasses.fields(owner))


def is_known(path: str) -> bool:
    """Whether a dotted path is a field, be it of one data set alone."""
    *parents, name = path.split(".")
    return any(has_field(owner, name) for owner in field_owners(parents))


def is_value(path: str) -> bool:
    """Whether a dotted path is a field that no group has."""
    return is_known(path) and not field_owners(path.split("."))


def paths_of(name: str) -> list[str]:
    """Dotted paths of the fields of that name which are one value each, in the order of the config;
    without those of another run's config."""
    found: list[str] = []
    todo: list[tuple[str, type]] = [("", Config)]
    while todo:
        path, owner = todo.pop(0)
        for field in dataclasses.fields(owner):
            inner = sorted(_children(owner, field.name), key=lambda kind: kind.__name__)
            if field.name == name and not inner:
                found.append(path + name)
            todo += [(f"{path}{field.name}.", kind) for kind in inner if field.name != "parent"]
    return list(dict.fromkeys(found))


def field_owners(parents: Sequence[str]) -> set[type]:
    """The config dataclasses that hold the fields below a dotted path; none if it is no group."""
    owners: set[type] = {Config}
    for parent in parents:
        owners = {kind for owner in owners for kind in _children(owner, parent)}
    return owners


@cache  # they are evaluated from their texts, all fields of an owner at once
def _hints(owner: type) -> dict[str, Any]:
    return get_type_hints(owner)


@cache  # asked for every group of every run that is loaded
def _children(owner: type, name: str) -> frozenset[type]:
    """The config dataclasses that a field of a config dataclass may hold."""
    field = next((f for f in dataclasses.fields(owner) if f.name == name), None)
    if field is None:
        return frozenset()
    hint = _hints(owner)[name]
    found, todo = set(), [hint]
    while todo:
        item = todo.pop()
        if dataclasses.is_dataclass(item) and isinstance(item, type):
            found.add(item)
        todo.extend(get_args(item))
    return frozenset(found)
