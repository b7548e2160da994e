"""One file of each config group: Hydra takes a list of names too, and merges the files unseen."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from vgglab.config.parse import ConfigError, shortened

SWEPT = ("model", "norm", "init", "data", "recipe", "protocol", "experiments")
"""Groups of which a sweep may try several files; ``claims`` is no group of one file."""
ONE_NAME = (
    *SWEPT, "trainer", "tracking", "launcher", "task", "sweeps", "hydra/launcher", "hydra/sweeper"
)  # fmt: skip


def check_choices(chosen: Collection[str], overrides: Sequence[str]) -> None:
    """Refuse a list of names where one is meant: the last would count, and nobody would know.

    Args:
        chosen: The groups of which Hydra has chosen one file: all but those given a list.
        overrides: Of the command or of the point.

    Raises:
        ConfigError: Names the group, and the sweep that was probably meant.
    """
    for group in ONE_NAME:
        if group in chosen:
            continue
        given = rf"[+~]*{group}(@[^=]*)?(=.*)?"
        text = next((o for o in reversed(overrides) if re.fullmatch(given, o, re.DOTALL)), "")
        names = re.findall(r"[^\s,\[\]'\"]+", text.partition("=")[2])
        if len(names) > 1 and group in SWEPT:
            hint = f"; a run of each is a sweep: -m {group}={','.join(names)}"
        else:
            hint = f", such as {group}={names[0]}" if names else ""
        raise ConfigError(f"{shortened(text or group)}: takes one name, and no list{hint}")
