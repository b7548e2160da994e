"""The command that launched a study last, as its folder keeps it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

from vgglab.config.parse import ConfigError
from vgglab.runs.damage import DamagedFile


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
