"""A field that does not exist, told before Hydra is loaded to say so: twice as soon."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from vgglab import checkout
from vgglab.config.experiment import Config
from vgglab.config.parse import is_known, unknown_field
from vgglab.privacy import without_secrets
from vgglab.streams import outlive_readers

USER_MISTAKE = 2
"""Exit code of every command."""
PLAIN = re.compile(r"([A-Za-z_][\w.]*)=([\w.]+)", re.ASCII)
"""An override that Hydra can read in one way alone."""
OF_HYDRA = ("hydra", "schema")
"""Groups that are in no folder of ours."""


def leave_at_a_typo(root: Path) -> None:
    """End the command that was typed where ``mistyped`` says what is wrong with it."""
    if message := mistyped(sys.argv[1:], root, os.environ):
        outlive_readers()
        print(f"error: {without_secrets(message)}", file=sys.stderr)
        sys.exit(USER_MISTAKE)


def mistyped(arguments: Sequence[str], root: Path, variables: Mapping[str, str]) -> str:
    """What Hydra's complaint about the first field that does not exist would become.

    Args:
        arguments: of the command.
        root: the checkout.
        variables: of the environment.

    Returns:
        A line; empty where all fields exist, and where something else might have to be said first:
        of flags, W&B's variables, a user's own configs, or of an argument that is not plain.
    """
    own = checkout.USER_FOLDER in variables or (root / checkout.COPIED_USER_FOLDER).is_dir()
    if own or any(name.startswith("WANDB_") for name in variables):
        return ""
    found, keys = "", set[str]()
    for argument in arguments:
        plain = PLAIN.fullmatch(argument)
        if not plain or plain[1] in keys:
            return ""
        keys.add(plain[1])
        if not _is_right(plain[1], plain[2], root):
            if not _is_no_field(plain[1], root):
                return ""
            found = found or f"{plain[1]}: {unknown_field(plain[1])}"
    return found


def _is_right(key: str, value: str, root: Path) -> bool:
    """Whether Hydra composes with it, whatever else is chosen. A data set's fields are its own."""
    if any((folder / key / f"{value}.yaml").is_file() for folder in (root, root / "conf")):
        return True
    group, _, field = key.partition(".")
    if not field:
        return _is_field(key) and not (root / "conf" / key).is_dir()
    return group in ("recipe", "trainer", "tracking") and is_known(key)


def _is_no_field(key: str, root: Path) -> bool:
    is_group = key in OF_HYDRA or (root / key).exists() or (root / "conf" / key).exists()
    return "." not in key and not is_group and not _is_field(key)


def _is_field(key: str) -> bool:
    return any(field.name == key for field in dataclasses.fields(Config))
