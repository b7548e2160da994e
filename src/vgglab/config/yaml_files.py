"""What a user's YAML file may look like, before Hydra reads it: some of it would never end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vgglab.config.parse import ConfigError

DEEPEST = 50
"""Brackets or indented blocks within one another."""
LARGEST = 100_000
"""Values of a file, those that ``*name`` repeats counted again."""


def check_chosen(arguments: Sequence[str], folders: Sequence[Path]) -> None:
    """Check the YAML files that ``group=choice`` among the arguments names in these folders, and
    those that their defaults lists and the lists of their sweeps name.

    Raises:
        ConfigError: one of them cannot be read.
    """
    todo, seen = list(arguments), set[Path]()
    while todo:
        for path in _chosen([todo.pop()], folders):
            if path not in seen:
                check_yaml(path)
                todo += _choices_in(path, folders)
            seen.add(path)


def _choices_in(path: Path, folders: Sequence[Path]) -> Iterator[str]:
    """``group=choice`` of every file that Hydra reads because of this one."""
    try:
        tree: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return  # Hydra says it
    if not isinstance(tree, Mapping):
        return
    here = min((str(path.parent.relative_to(f)) for f in folders if f in path.parents), key=len)
    listed = tree.get("defaults")
    for entry in listed if isinstance(listed, list) else ():
        items = entry.items() if isinstance(entry, Mapping) else [_group_and_name(str(entry))]
        for key, choice in items:
            group = str(key).split(" ")[-1]  # after override or optional
            group = group[1:] if group.startswith("/") else f"{here}/{group}".rstrip("/")
            yield f"{group}={','.join(map(str, choice)) if isinstance(choice, list) else choice}"
    found: Any = tree
    for name in ("hydra", "sweeper", "params"):
        found = found.get(name) if isinstance(found, Mapping) else None
    for key, choices in found.items() if isinstance(found, Mapping) else ():
        yield f"{key}={choices}"


def _group_and_name(entry: str) -> tuple[str, str]:
    group, _, name = entry.rpartition("/")
    return ("/" if entry.startswith("/") and not group else group), name


def _chosen(arguments: Sequence[str], folders: Sequence[Path]) -> Iterator[Path]:
    for argument in arguments:
        group, _, choices = argument.lstrip("+").partition("=")
        group = group.partition("@")[0]
        for choice in choices.strip("[]").split(","):
            for folder in folders:
                path = folder / group / f"{choice.strip()}.yaml"
                if len(str(path)) < 1_000 and "\0" not in str(path) and path.is_file():
                    yield path


def check_yaml(path: Path) -> None:
    """See that a file is one YAML document of a size and depth that can be read.

    Raises:
        ConfigError: it is not.
    """
    try:
        _check_events(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8, at byte {error.start}; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {yaml_fault(error)}") from error
    except (OSError, _Refused) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


class _Refused(Exception):
    pass


def yaml_fault(error: yaml.YAMLError) -> str:
    """What a YAML parser complains of, and where, in one line."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"


def _check_events(text: str) -> None:
    documents = 0
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and values before it
    values = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = f"line {event.start_mark.line + 1 if event.start_mark else 0}"
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Refused(f"{line}: a second document; a config is one")
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise _Refused(f"{line}: *{event.anchor} is within itself")
            values += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, values))
            values += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.ScalarEvent):
            values += 1
        if len(open_nodes) > DEEPEST:
            raise _Refused(f"{line}: more than {DEEPEST} blocks or brackets within one another")
        if values > LARGEST:
            raise _Refused(f"{line}: more than {LARGEST:,} values, repeated ones included")
