"""The command that launched a study last, as its folder keeps it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vgglab.config.parse import ConfigError, shortened
from vgglab.runs.damage import DamagedFile
from vgglab.workflow.designs import bare, listed

LONGEST_LIST = 60
"""Characters of a list's values in a message."""


def command_in(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The lists of its sweep, and its overrides.

    Raises:
        ConfigError: the file is damaged.
    """
    params, overrides, _ = _read(path)
    return params, overrides


@functools.cache  # asked for by each run that a command is about
def _read(path: Path) -> tuple[dict[str, Any], list[str], str]:
    try:
        stored: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        _ = stored["study"]  # stands after Hydra's part: a file that is cut short has none
        of_hydra = stored["hydra"]
        sweep = of_hydra.get("runtime", {}).get("choices", {}).get("sweeps")
        overrides = list(of_hydra["overrides"]["task"])
        return dict(of_hydra["sweeper"]["params"] or {}), overrides, str(sweep)
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        damaged = DamagedFile(path, error)
        raise ConfigError(f"{damaged}; launch the study again with its full command") from error


def refuse_another_sweep(path: Path, sweep: str | None) -> None:
    """See that a command on a study names the sweep that it was launched with, if it names one: its
    report and its declaration would become those of other runs.

    Args:
        path: where the study's folder keeps its command; there may be none.
        sweep: that the command has chosen.

    Raises:
        ConfigError: it was launched with another.
    """
    if not path.is_file():
        return
    _, _, launched = _read(path)
    if launched != str(sweep):
        how = "without sweeps=" if launched == "None" else f"with sweeps={launched}"
        raise ConfigError(
            f"study.name={path.parent.name} was launched {how}, and not with sweeps={sweep}; leave "
            "out sweeps=, or name another study"
        )


def refuse_other_lists(path: Path, params: Mapping[str, Any], own: Sequence[str]) -> None:
    """See that a command on a study has the lists that it was launched with, for the same reason.
    A value that is typed for a list (``model=a``) is a part of the study, and no other list.

    Args:
        path: where the study's folder keeps its command; there may be none.
        params: lists of the command's sweep.
        own: overrides of the command.

    Raises:
        ConfigError: it was launched with others.
    """
    if not path.is_file():
        return
    launched_params, launched, _ = _read(path)
    before, now = _lists(launched_params, launched), _lists(params)
    typed = {bare(key) for key in listed(own)}
    names = [name for name in before | now if name not in typed]
    differing = [
        f"{name}={_said(before[name])}" + (f" and not {_said(now[name])}" if name in now else "")
        if name in before
        else f"no list of {name} and not {_said(now[name])}"
        for name in names
        if set(before.get(name, ())) != set(now.get(name, ()))
    ]
    if differing:
        raise ConfigError(
            f"study.name={path.parent.name} was launched with {'; '.join(differing)}; leave out "
            "sweeps= and its lists, or name another study"
        )


def _lists(params: Mapping[str, Any], own: Sequence[str] = ()) -> dict[str, list[str]]:
    """The values of each list of a sweep, what the command itself says in place of the sweep's."""
    of_sweep = listed([f"{key}={value}" for key, value in params.items()])
    typed = {key: texts for key, texts in listed(own).items() if key in of_sweep or len(texts) > 1}
    lists = (of_sweep | typed).items()
    return {bare(key): [text.partition("=")[2] for text in texts] for key, texts in lists}


def _said(values: Sequence[str]) -> str:
    return shortened(",".join(values), LONGEST_LIST)
